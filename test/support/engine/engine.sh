#!/usr/bin/env bash
# A container engine of our own for tests: Debian's dockerd on the host's network, sealed off from everything else.
#   engine.sh     prints its DOCKER_HOST once it answers; lives until its standard input ends, whatever the reason
# It has its own pid and mount namespace, so that the kernel ends every process and mount of it together; its bridge, its
# directory and its control groups are removed here, or, had this script been killed, by the next one. Needs root,
# dockerd, docker, ip, unshare and setpriv. It changes neither firewall nor forwarding: containers reach each other and
# this host, nothing else.
set -euo pipefail

temporary=${TMPDIR:-/tmp}
prefix=pilotfish-engine
bridge_prefix=pf-eng
start_tries=300 # of 0.1 s

# remove PID: what an engine leaves that does not end with its processes.
remove() {
  local directory=$temporary/$prefix-$1 network='' link
  if [ -f "$directory/network" ]; then read -r network <"$directory/network" || true; fi
  if [[ $network =~ ^10\.[0-9]+$ ]]; then
    for link in $(ip -o -4 address show | awk -v start="$network." 'index($4, start) == 1 { print $2 }'); do
      case $link in br-* | "$bridge_prefix-$1") ip link delete "$link" || true ;; esac
    done
  fi
  find /sys/fs/cgroup -depth -type d -path "*/$prefix-$1*" -exec rmdir {} \; 2>/dev/null || true
  rm -rf "$directory"
}

# What killed ones left. Only directories of our own user count.
for directory in "$temporary/$prefix"-*; do
  pid=${directory##*-}
  if [[ $pid =~ ^[0-9]+$ ]] && [ -O "$directory" ] && ! kill -0 "$pid" 2>/dev/null; then remove "$pid"; fi
done

engine='' reader='' directory=$temporary/$prefix-$$
finish() {
  trap '' TERM INT HUP
  # The first process of the namespace is killed, not its parent, which waits until every other one is gone too.
  local first
  first=$(cat "/proc/$engine/task/$engine/children" 2>/dev/null || true)
  for pid in ${first:-$engine} $reader; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  remove $$
}
mkdir -m 700 "$directory"
trap finish EXIT
trap 'exit 143' TERM INT HUP

# Addresses that no route of this host leads to: 10.A for all networks of this engine.
for a in $(seq $((128 + $$ % 64)) 254); do
  if [ -z "$(ip -4 route show root "10.$a.0.0/16")" ]; then break; fi
done
echo "10.$a" >"$directory/network"
bridge=$bridge_prefix-$$
ip link add name "$bridge" type bridge
ip address add "10.$a.0.1/24" dev "$bridge"
ip link set "$bridge" up

# Its /run is in our directory, with the name servers of the host.
resolver=$(readlink -f /etc/resolv.conf || true)
mkdir -p "$directory/run"
case $resolver in /run/*) mkdir -p "$directory${resolver%/*}" && cp "$resolver" "$directory$resolver" ;; esac

setpriv --pdeathsig KILL unshare --pid --mount --fork --kill-child --mount-proc bash -c '
  set -eu
  mount --bind "$1/run" /run
  for hidden in /opt /etc/docker; do [ ! -d $hidden ] || mount -t tmpfs none $hidden; done
  shift
  exec dockerd "$@"' dockerd "$directory" \
  --host "unix://$directory/docker.sock" --data-root "$directory/data" --exec-root "$directory/exec" \
  --pidfile "$directory/pid" --bridge "$bridge" --default-address-pool "base=10.$a.128.0/17,size=24" \
  --cgroup-parent "/$prefix-$$" --exec-opt native.cgroupdriver=cgroupfs --log-level warn \
  --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
  <&- >"$directory/log" 2>&1 &
engine=$!

export DOCKER_HOST=unix://$directory/docker.sock
for ((i = 0; ; i++)); do
  if docker version >/dev/null 2>&1; then break; fi
  if ! kill -0 "$engine" 2>/dev/null || ((i > start_tries)); then
    echo "dockerd does not start:" >&2
    tail -n 20 "$directory/log" >&2
    exit 1
  fi
  sleep 0.1
done
echo "$DOCKER_HOST"

cat <&0 >/dev/null &
reader=$!
wait -n "$engine" "$reader" || true
