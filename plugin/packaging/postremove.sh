#!/bin/sh
# After the .deb ("remove", "purge") or the .rpm (0) is removed. A purge takes the journal, which the program has made. The
# secrets in /etc/mqtt-stomp-bridge stay, which somebody else has put there, and so does the user: files may be its own.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/lib/mqtt-stomp-bridge
fi
