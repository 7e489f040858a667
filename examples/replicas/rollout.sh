#!/bin/sh
# Makes the bridges anew, one after the other: what a new image, or settings that need a restart, come with.
set -eu
cd "$(dirname "$0")"
for bridge in bridge-1 bridge-2 bridge-3; do
  docker compose up -d --no-deps --force-recreate --wait "$bridge"
done
