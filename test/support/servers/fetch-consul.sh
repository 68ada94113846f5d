#!/usr/bin/env bash
# Puts real Consul servers into the cache of the tests. Run by `npm run servers`; does nothing for what is there already.
#   fetch-consul.sh            1.8.7, from Debian bullseye's package, unpacked beside the system (seconds)
#   fetch-consul.sh 1.20.5     the Go module, built from the pinned folder that PILOTFISH_CONSUL_MODULE names (minutes of CPU)
# The mirror is the one that this machine's own apt is configured with. Prints where each program lies.
set -euo pipefail
cache=${PILOTFISH_CACHE:-$HOME/.cache/pilotfish}/servers
version=${1:-1.8.7}
target=$cache/consul-$version/consul

fetch_debian() {
  command -v apt-get >/dev/null || { echo 'consul 1.8.7: needs apt-get' >&2; return 1; }
  local mirror keyring work deb
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' |
    awk '$2 == "main" && $1 ~ /\/debian\/$/ { print $1; exit }')
  [ -n "$mirror" ] || { echo 'consul 1.8.7: apt knows no Debian mirror' >&2; return 1; }
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/parts"
  echo "deb [signed-by=$keyring] $mirror bullseye main" >"$work/sources.list"
  # Lists, caches and sources of its own: the system's apt state is neither read nor changed.
  local options=(-q -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts"
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache::Archives=$work/archives" -o 'Dir::Cache::pkgcache='
    -o 'Dir::Cache::srcpkgcache=' -o 'APT::Sandbox::User=' -o 'Acquire::Languages=none')
  apt-get "${options[@]}" update >&2
  (cd "$work" && apt-get "${options[@]}" download consul >&2)
  deb=$(ls "$work"/consul_*.deb)
  dpkg-deb -x "$deb" "$work/root"
  mkdir -p "$(dirname "$target")"
  mv "$work/root/usr/bin/consul" "$target"
}

build_module() {
  local module=${PILOTFISH_CONSUL_MODULE:-}
  [ -n "$module" ] || { echo "consul $version: PILOTFISH_CONSUL_MODULE names no folder with its go.mod" >&2; return 1; }
  command -v go >/dev/null || { echo "consul $version: needs go" >&2; return 1; }
  mkdir -p "$(dirname "$target")"
  (cd "$module" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' \
    -o "$target.new" github.com/hashicorp/consul)
  mv "$target.new" "$target"
}

if [ ! -x "$target" ]; then
  if [ "$version" = 1.8.7 ]; then fetch_debian; else build_module; fi
fi
"$target" version | head -n 1 >&2
echo "$target"
