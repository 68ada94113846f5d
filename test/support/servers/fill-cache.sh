#!/bin/sh
# Builds the real servers that tests run against, from pinned sources, into a cache outside the checkout (npm run servers).
#   fill-cache.sh [etcd-3.6.16 …]     default: Consul 1.8.7, all of go/* and Nacos 2.3.2; what is there already is left alone;
#                                     then, where a container engine answers, the images of images.txt or stand-ins for them
# PILOTFISH_CACHE: the cache, ~/.cache/pilotfish by default. Go's own module and build caches are used and kept.
# GOFLAGS: further flags of Go, such as -p=1 where others use the machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${PILOTFISH_CACHE:-$HOME/.cache/pilotfish}/servers

# go_build FOLDER PACKAGE FILE: one static program out of a pinned module; appears in the cache only when it is whole.
go_build() {
  target=$cache/$1/$3
  if [ -x "$target" ]; then
    echo "$1/$3: there already"
    return
  fi
  if ! command -v go >/dev/null; then
    echo "$1: needs Go" >&2
    return 1
  fi
  mkdir -p "$cache/$1"
  echo "$1/$3: building"
  (cd "$here/go/$1" && CGO_ENABLED=0 nice -n 15 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$target.$$" "$2")
  mv "$target.$$" "$target"
}

with_images=false
[ $# -gt 0 ] || { with_images=true; set -- consul-1.8.7 $(ls "$here/go") nacos-2.3.2; }
for server in "$@"; do
  case $server in
  etcd-*) go_build "$server" ./etcd etcd ;;
  naming-clients-*) go_build "$server" . naming-clients ;;
  consul-1.8.7) "$here/fetch-consul.sh" ;;
  consul-*) go_build "$server" github.com/hashicorp/consul consul ;;
  nacos-2.3.2) "$here/nacos/build.sh" ;;
  *)
    echo "unknown server: $server" >&2
    exit 1
    ;;
  esac
done
if "$with_images" && docker version >/dev/null 2>&1; then
  # What is not to be had is told, here and by the tests that go without.
  bash "$here/../engine/images.sh" --stand-ins $(grep -v '^#' "$here/images.txt") || true
fi
