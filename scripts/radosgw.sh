#!/usr/bin/env bash
# A real S3 server for tests: one Ceph monitor, one OSD in memory and a radosgw, from Debian's packages
# (apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common), all below one directory and on 127.0.0.1.
#
#   bash scripts/radosgw.sh start DIR PORT   prints the TEST_S3_… variables, one per line, when the server answers
#   bash scripts/radosgw.sh stop DIR         ends what start began; the directory stays
#
# A day of a lifecycle rule passes in RGW_DAY_SECONDS (5 when left out), so that tests can see objects expire. What lasts longer than a rule's days is cut
# off by it, such as a long upload in parts: give more seconds for those.
#
# Needs root. DIR must be new or empty; PORT, PORT+1 and PORT+10 to PORT+80 must be free.
set -euo pipefail
. "$(dirname "$0")/service.sh"

access_key=millrace-test
secret_key=millrace-test-secret
day_seconds=${RGW_DAY_SECONDS:-5}

# attempt SECONDS COMMAND…: runs the command until it succeeds or the time is over.
attempt() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >>"$dir/setup.log" 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
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
rgw lc debug interval = $day_seconds
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
  [[ $day_seconds =~ ^[1-9][0-9]*$ ]] || fail "RGW_DAY_SECONDS is \"$day_seconds\"; give a whole number of seconds from 1"
  [ "$(id -u)" = 0 ] || fail "ceph's daemons are only tried as root"
  new_directory
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

# The gateway goes first: without its cluster it takes more than a minute to obey TERM.
stop() {
  end radosgw 10
  end osd 5
  end mon 5
}

serve "$@"
