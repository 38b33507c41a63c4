#!/usr/bin/env bash
# A real S3 server for tests: one Ceph monitor, one OSD in memory and a radosgw, from Debian's packages
# (apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common), all below one directory and on 127.0.0.1.
#
#   bash scripts/radosgw.sh start DIR PORT   prints the TEST_S3_… variables, one per line, when the server answers
#   bash scripts/radosgw.sh stop DIR         ends what start began; the directory stays
#
# Needs root. DIR must be new or empty; PORT, PORT+1 and PORT+10 to PORT+80 must be free.
set -euo pipefail

access_key=millrace-test
secret_key=millrace-test-secret

fail() {
  echo "radosgw.sh: $*" >&2
  exit 1
}

# attempt SECONDS COMMAND…: runs the command until it succeeds or the time is over.
attempt() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >>"$dir/setup.log" 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# launch NAME COMMAND…: a daemon in a session of its own, its pid in DIR/NAME.pid.
launch() {
  local name=$1
  shift
  setsid "$@" >"$dir/$name.out" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

write_config() {
  cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = v1:127.0.0.1:$((port + 1))
mon initial members = only
mon data = $dir/mon
mon allow pool size one = true
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = $((port + 10))
ms bind port max = $((port + 80))
auth cluster required = none
auth service required = none
auth client required = none
keyring = $dir/keyring
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
run dir = $dir
log file = $dir/\$type.log
admin socket = $dir/\$type.\$pid.asok
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw data = $dir/rgw
# A day of a lifecycle rule passes in this many seconds, so that tests can see objects expire.
rgw lc debug interval = 5
CONF
}

make_monitor() {
  ceph-authtool "$dir/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
  monmaptool --create --addv only "v1:127.0.0.1:$((port + 1))" --fsid "$fsid" "$dir/monmap"
  ceph-mon -c "$dir/ceph.conf" -i only --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring"
}

make_osd() {
  local uuid
  uuid=$(uuidgen)
  timeout 30 ceph -c "$dir/ceph.conf" osd new "$uuid"
  ceph-osd -c "$dir/ceph.conf" -i 0 --mkfs --osd-uuid "$uuid"
}

# An OSD that speaks before it has the monitor's map is refused ("wrong fsid") and exits: launched again then.
osd_is_up() {
  if [ ! -f "$dir/osd.pid" ] || ! ours "$(cat "$dir/osd.pid")"; then
    launch osd ceph-osd -c "$dir/ceph.conf" -i 0 -f
    sleep 0.5
  fi
  timeout 10 ceph -c "$dir/ceph.conf" osd stat | grep -q '1 up'
}

make_user() {
  timeout 60 radosgw-admin -c "$dir/ceph.conf" -n client.rgw user create \
    --uid=millrace --display-name=millrace --access-key="$access_key" --secret="$secret_key"
}

start() {
  local tool
  for tool in ceph ceph-mon ceph-osd radosgw radosgw-admin uuidgen curl; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install ceph-mon, ceph-osd, radosgw and ceph-common"
  done
  [ "$(id -u)" = 0 ] || fail "ceph's daemons are only tried as root"
  mkdir -p "$dir"
  [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty"
  trap 'echo "radosgw.sh: start failed; see $dir" >&2; stop' ERR
  mkdir "$dir/mon" "$dir/osd" "$dir/rgw"
  fsid=$(uuidgen)
  write_config
  make_monitor >>"$dir/setup.log" 2>&1
  launch mon ceph-mon -c "$dir/ceph.conf" -i only -f
  make_osd >>"$dir/setup.log" 2>&1
  attempt 40 osd_is_up
  launch radosgw radosgw -c "$dir/ceph.conf" -n client.rgw -f
  attempt 60 curl -s "http://127.0.0.1:$port"
  make_user >>"$dir/setup.log" 2>&1
  trap - ERR
  echo "TEST_S3_ENDPOINT=http://127.0.0.1:$port"
  echo "TEST_S3_ACCESS_KEY=$access_key"
  echo "TEST_S3_SECRET_KEY=$secret_key"
  echo "TEST_S3_REGION=default"
  echo "TEST_S3_PID=$(cat "$dir/radosgw.pid")"
}

# end NAME SECONDS: TERM, then KILL by pid once the time is over. The pid may have gone to another process meanwhile.
end() {
  local pid end=$((SECONDS + $2))
  [ -f "$dir/$1.pid" ] || return 0
  pid=$(cat "$dir/$1.pid")
  ours "$pid" && kill -CONT "$pid" && kill -TERM "$pid"
  while ours "$pid"; do
    [ "$SECONDS" -lt "$end" ] || kill -KILL "$pid"
    sleep 0.1
  done
  rm -f "$dir/$1.pid"
}

ours() {
  [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "-c $dir/ceph.conf"
}

# The gateway goes first: without its cluster it takes more than a minute to obey TERM.
stop() {
  end radosgw 10
  end osd 5
  end mon 5
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
