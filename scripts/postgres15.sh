#!/usr/bin/env bash
# A throw-away PostgreSQL for tests, from Debian's package (apt-get install --no-install-recommends postgresql; 15 on bookworm): the
# oldest version supported. It listens on 127.0.0.1, writes durably, and keeps everything below one directory.
#
#   bash scripts/postgres15.sh start DIR PORT   prints TEST_DATABASE_URL=… when the server answers
#   bash scripts/postgres15.sh stop DIR         ends what start began; the directory stays
#
# The server refuses root, so root starts it as the user `postgres` of the package; DIR must be new or empty.
set -euo pipefail
. "$(dirname "$0")/service.sh"

# as_server COMMAND…: as root, as the user postgres; else as whoever this is.
as_server() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups env -C / HOME="$dir" "$@"
  else
    "$@"
  fi
}

# Debian keeps the programs off the PATH, a directory for each version.
programs() {
  local candidate
  for candidate in "${PG_BINDIR:-}" /usr/lib/postgresql/15/bin; do
    [ -n "$candidate" ] && [ -x "$candidate/initdb" ] && echo "$candidate" && return
  done
  fail "PostgreSQL 15 is missing: install the package postgresql, or name its programs by PG_BINDIR"
}

start() {
  local bin
  bin=$(programs)
  new_directory
  if [ "$(id -u)" = 0 ]; then chown postgres: "$dir"; fi
  as_server test -w "$dir" || fail "the user postgres cannot reach $dir: choose one whose parents everybody may enter"
  as_server "$bin/initdb" -D "$dir/data" -U millrace --auth=trust -E UTF8 --no-locale >"$dir/initdb.log" 2>&1 ||
    fail "initdb failed; see $dir/initdb.log"
  cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
fsync = on
full_page_writes = on
synchronous_commit = on
max_connections = 200
CONF
  as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 30 start >>"$dir/initdb.log" 2>&1 ||
    fail "the server does not start; see $dir/server.log"
  as_server "$bin/createdb" -h 127.0.0.1 -p "$port" -U millrace millrace
  echo "TEST_DATABASE_URL=postgres://millrace@127.0.0.1:$port/millrace"
}

# Fast, not smart: open connections are ended. Immediate when that takes too long; the directory is thrown away anyway.
stop() {
  local bin
  bin=$(programs)
  [ -f "$dir/data/postmaster.pid" ] || return 0
  as_server "$bin/pg_ctl" -D "$dir/data" -w -t 10 -m fast stop >/dev/null ||
    as_server "$bin/pg_ctl" -D "$dir/data" -w -t 10 -m immediate stop >/dev/null ||
    fail "the server does not stop; see $dir/server.log"
}

serve "$@"
