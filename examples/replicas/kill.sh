#!/bin/sh
# kill.sh [SERVICE]: kills a service without a warning, and starts it again after ten seconds. Without a name, it is the
# bridge that leads.
set -eu
cd "$(dirname "$0")"
victim=${1:-}
for bridge in bridge-1 bridge-2 bridge-3; do
  [ -z "$victim" ] || break
  victim=$(docker compose exec -T "$bridge" mqtt-stomp-bridge doctor --listen 0s | sed -n 's/^ok  *lease: \(.*\) leads, .*/\1/p') || true
done
echo "killing ${victim:?no bridge leads}"
docker compose kill -s KILL "$victim"
sleep 10
docker compose up -d --no-deps --wait "$victim"
