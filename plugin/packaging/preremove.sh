#!/bin/sh
# Before the .deb ("remove") or the .rpm (0) is removed, not before an upgrade.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl disable --now mqtt-stomp-bridge.service
elif command -v systemctl >/dev/null; then
	systemctl --quiet disable mqtt-stomp-bridge.service
fi
