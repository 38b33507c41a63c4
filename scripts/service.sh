# What the scripts that run a server for tests have in common; they source it, have functions `start` and `stop` that work below $dir, and end with serve "$@".

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

new_directory() {
  mkdir -p "$dir"
  [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty"
}

# launch NAME COMMAND…: a process in a session of its own, its pid in DIR/NAME.pid, what it says in DIR/NAME.out.
launch() {
  local name=$1
  shift
  setsid "$@" >"$dir/$name.out" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

# ours PID: whether it is still that of a process of this directory: it may have gone to another one meanwhile.
ours() {
  [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- " $dir/"
}

# end NAME SECONDS: TERM, then KILL by pid once the time is over.
end() {
  local pid end=$((SECONDS + $2))
  [ -f "$dir/$1.pid" ] || return 0
  pid=$(cat "$dir/$1.pid")
  if ours "$pid"; then kill -CONT "$pid" && kill -TERM "$pid"; fi
  while ours "$pid"; do
    [ "$SECONDS" -lt "$end" ] || kill -KILL "$pid"
    sleep 0.1
  done
  rm -f "$dir/$1.pid"
}

# serve start DIR PORT | stop DIR
serve() {
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
}
