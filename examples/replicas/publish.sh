#!/bin/sh
# publish.sh [COUNT]: publishes so many numbered events, ten a second.
set -eu
cd "$(dirname "$0")"
password=$(cat run/secrets/backend_password)
n=1
while [ "$n" -le "${1:-100}" ]; do
  printf '{"id": %d, "from": "customer", "content": {"text": "event %d"}}\n' "$n" "$n"
  sleep 0.1
  n=$((n + 1))
done | docker compose exec -T broker mosquitto_pub -u backend -P "$password" -q 1 -l -t chat/whatsapp/42/message
