#!/bin/sh
# Makes the directory run: configurations, and secrets that it invents. It runs as root, since each container reads its
# files as its own user. Run it once; whoever runs it again gets new secrets.
set -eu
cd "$(dirname "$0")"
umask 077
rm -rf run
mkdir -p run/broker run/bridge run/nats run/proxy run/secrets

secret() { openssl rand -hex 24; }
secret > run/secrets/broker_password     # of the bridges at the broker
secret > run/secrets/backend_password    # of those who publish events
secret > run/secrets/nats_password       # of the bridges at the NATS servers
secret > run/secrets/jwt_secret          # shared with the service that issues your clients' tokens

# The broker's.
cp ../../mosquitto/mosquitto.conf ../../mosquitto/acl run/broker/
healthcheck=$(secret)
printf '%s\n' '-u healthcheck' "-P $healthcheck" > run/secrets/mosquitto_sub
{
  echo "mqtt-stomp-bridge:$(cat run/secrets/broker_password)"
  echo "backend:$(cat run/secrets/backend_password)"
  echo "operator:$(secret)"
  echo "healthcheck:$healthcheck"
} > run/broker/passwords
docker run --rm -v "$PWD/run/broker:/work" eclipse-mosquitto:2.0 mosquitto_passwd -U /work/passwords

# The NATS servers'.
cp nats.conf run/nats/
route=$(secret)
{
  echo "BRIDGE_PASSWORD: \"$(cat run/secrets/nats_password)\""
  echo "OPERATOR_PASSWORD: \"$(secret)\""
  echo "ROUTE_PASSWORD: \"$route\""
  echo "ROUTES: [ \"nats://route:$route@nats-1:6222\", \"nats://route:$route@nats-2:6222\", \"nats://route:$route@nats-3:6222\" ]"
} > run/nats/passwords.conf

# The bridges' and the proxy's.
cp ../../config.yaml run/bridge/
cp nginx.conf run/proxy/

chown -R 1883:1883 run/broker run/secrets/mosquitto_sub
chown -R 10001:10001 run/bridge run/secrets/broker_password run/secrets/nats_password run/secrets/jwt_secret
chown -R 10002:10002 run/proxy
chmod 0755 run run/secrets
chmod 0400 run/secrets/*
