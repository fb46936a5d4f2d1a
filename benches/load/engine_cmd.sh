#!/bin/sh
# One axbridge for another harness that gives an engine its work through the environment:
#   BINDINGS  file of `X,A,B` lines      LISTEN    address:port of SIP
#   NEXT_HOP  address:port of callees    CDR_DIR   a folder of its own (the data folder goes there)
#   WORKERS   signalling threads (SHARDS, default 1, decides; a worker process of others is no measure for it)
# Callers come from CALLERS (default 127.0.0.2:5070). Runs in the foreground, ends on SIGTERM.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
data=$CDR_DIR/axbridge
mkdir -p "$data"
"$root/target/release/axbridge-load" fill --dir "$data" --pairs "$BINDINGS" --key loadKey01 --secret loadSecret-01 \
  --a-peer "${CALLERS:-127.0.0.2:5070}" --b-peer "$NEXT_HOP" --a-media 127.0.0.1 --b-media 127.0.0.4
cat >"$data/axbridge.toml" <<TOML
[store]
dir = "$data"
[sip]
listen = ["udp:$LISTEN"]
shards = ${SHARDS:-1}
[media]
ips = ["127.0.0.1", "127.0.0.4"]
port_min = 6000
port_max = 65535
[api]
listen = "127.0.0.1:5181"
[admin]
listen = "127.0.0.1:5182"
token = "load-operator-token-01"
[log]
level = "warn"
TOML
exec "$root/target/release/axbridge" serve --config "$data/axbridge.toml"
