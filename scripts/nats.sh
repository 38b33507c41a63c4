#!/usr/bin/env bash
# A throw-away NATS server for tests, from Debian's package (apt-get install --no-install-recommends nats-server). It listens on 127.0.0.1,
# knows no users, and keeps its log and pid below one directory.
#
#   bash scripts/nats.sh start DIR PORT   prints TEST_NATS_URL=… when the server answers
#   bash scripts/nats.sh stop DIR         ends what start began; the directory stays
#
# DIR must be new or empty.
set -euo pipefail

fail() {
  echo "nats.sh: $*" >&2
  exit 1
}

# Whether the pid is still that of our server: it may have gone to another process meanwhile.
ours() {
  [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "--log $dir/server.log"
}

start() {
  local pid end=$((SECONDS + 10))
  command -v nats-server >/dev/null || fail "nats-server is missing: install the package nats-server"
  mkdir -p "$dir"
  [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty"
  setsid nats-server --addr 127.0.0.1 --port "$port" --log "$dir/server.log" >"$dir/server.out" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$dir/server.pid"
  # It says so once it listens; an answer on the port could be another server's.
  until grep -qs 'Server is ready' "$dir/server.log"; do
    kill -0 "$pid" 2>/dev/null || fail "the server does not start; see $dir/server.log"
    [ "$SECONDS" -lt "$end" ] || fail "the server does not answer; see $dir/server.log"
    sleep 0.05
  done
  echo "TEST_NATS_URL=nats://127.0.0.1:$port"
}

# TERM, then KILL by pid once the time is over.
stop() {
  local pid end=$((SECONDS + 5))
  [ -f "$dir/server.pid" ] || return 0
  pid=$(cat "$dir/server.pid")
  if ours "$pid"; then kill -CONT "$pid" && kill -TERM "$pid"; fi
  while ours "$pid"; do
    [ "$SECONDS" -lt "$end" ] || kill -KILL "$pid"
    sleep 0.1
  done
  rm -f "$dir/server.pid"
}

[ $# -ge 2 ] || fail "usage: start DIR PORT | stop DIR"
dir=$(realpath -m "$2")
case $1 in
  start)
    port=${3:?a port is missing}
    start
    ;;
  stop) stop ;;
  *) fail "unknown command $1" ;;
esac
