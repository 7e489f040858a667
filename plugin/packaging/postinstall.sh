#!/bin/sh
# After the installation or an upgrade of the .deb ("configure", the version before) or the .rpm (1 or 2): the user, and
# what to do next. Nothing that is there is changed, and nothing is started that has not been.
set -e

name=mqtt-stomp-bridge
secret=/etc/$name/jwt_secret

case "$1" in
configure | 1 | 2) ;;
*) exit 0 ;;
esac

getent group $name >/dev/null || groupadd --system $name
getent passwd $name >/dev/null || useradd --system --gid $name --home-dir /var/lib/$name --no-create-home \
	--shell /usr/sbin/nologin --comment "$name" $name

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# Does nothing where it does not run. If it cannot start again, the package is installed all the same.
	systemctl try-restart $name.service || echo "$name has not started again: journalctl -u $name says why" >&2
fi

if ! systemctl is-enabled --quiet $name.service 2>/dev/null; then
	echo "$name is installed, and not started. What to do next:"
	if [ ! -e $secret ]; then
		echo "- Make the secret that signs the tokens of your clients, or put yours there:"
		echo "    openssl rand -hex 32 | sudo install -m 0600 /dev/stdin $secret"
	fi
	echo "- Write the address of your broker and your rules into /etc/$name/config.yaml."
	echo "  As it is, it works with a Mosquitto on this machine."
	echo "- Start it: sudo systemctl enable --now $name"
fi
