#!/bin/sh
# Before the .apk is removed.
rc-service --ifstarted mqtt-stomp-bridge stop
rc-update --quiet delete mqtt-stomp-bridge
exit 0
