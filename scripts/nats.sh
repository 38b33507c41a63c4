#!/usr/bin/env bash
# A throw-away NATS server for tests, from Debian's package (apt-get install --no-install-recommends nats-server). It listens on 127.0.0.1,
# knows no users, and keeps its log and pid below one directory.
#
#   bash scripts/nats.sh start DIR PORT   prints TEST_NATS_URL=… when the server answers
#   bash scripts/nats.sh stop DIR         ends what start began; the directory stays
#
# DIR must be new or empty.
set -euo pipefail
. "$(dirname "$0")/service.sh"

start() {
  local end=$((SECONDS + 10))
  command -v nats-server >/dev/null || fail "nats-server is missing: install the package nats-server"
  new_directory
  launch server nats-server --addr 127.0.0.1 --port "$port" --log "$dir/server.log"
  # It says so once it listens; an answer on the port could be another server's.
  until grep -qs 'Server is ready' "$dir/server.log"; do
    kill -0 "$(cat "$dir/server.pid")" 2>/dev/null || fail "the server does not start; see $dir/server.log"
    [ "$SECONDS" -lt "$end" ] || fail "the server does not answer; see $dir/server.log"
    sleep 0.05
  done
  echo "TEST_NATS_URL=nats://127.0.0.1:$port"
}

stop() {
  end server 5
}

serve "$@"
