#!/bin/sh
# After the installation of the .apk: the user, and what to do next.
set -e

name=mqtt-stomp-bridge

getent group $name >/dev/null || addgroup -S $name
getent passwd $name >/dev/null || adduser -S -D -H -h /var/lib/$name -s /sbin/nologin -G $name -g $name $name

echo "$name is installed, and not started. What to do next:"
if [ ! -e /etc/$name/jwt_secret ]; then
	echo "- Make the secret that signs the tokens of your clients, or put yours there:"
	echo "    openssl rand -hex 32 | install -m 0640 -g $name /dev/stdin /etc/$name/jwt_secret"
fi
echo "- Write the address of your broker and your rules into /etc/$name/config.yaml."
echo "- Start it: rc-update add $name && rc-service $name start"
