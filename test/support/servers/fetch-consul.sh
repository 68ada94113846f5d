#!/usr/bin/env bash
# Puts Consul 1.8.7 into the cache of the tests: Debian bullseye's package, unpacked beside the system. Part of `npm run servers`.
# The mirror is the one that this machine's own apt is configured with; the system's apt state is neither read nor changed.
set -euo pipefail
target=${PILOTFISH_CACHE:-$HOME/.cache/pilotfish}/servers/consul-1.8.7/consul
if [ -x "$target" ]; then
  echo 'consul-1.8.7/consul: there already'
  exit
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  echo 'consul-1.8.7: needs the apt-get and dpkg-deb of a Debian' >&2
  exit 1
fi
mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' |
  awk '$2 == "main" && $1 ~ /\/debian\/$/ { print $1; exit }')
if [ -z "$mirror" ]; then
  echo 'consul-1.8.7: apt knows no Debian mirror' >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/parts"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror bullseye main" >"$work/sources.list"
options=(-q -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts"
  -o "Dir::State::Lists=$work/lists" -o "Dir::Cache::Archives=$work/archives"
  -o 'Dir::Cache::pkgcache=' -o 'Dir::Cache::srcpkgcache=' -o 'APT::Sandbox::User=' -o 'Acquire::Languages=none')
apt-get "${options[@]}" update
(cd "$work" && apt-get "${options[@]}" download consul)
dpkg-deb -x "$work"/consul_*.deb "$work/root"
mkdir -p "$(dirname "$target")"
mv "$work/root/usr/bin/consul" "$target.$$"
mv "$target.$$" "$target"
"$target" version | head -n 1
