#!/usr/bin/env bash
# Sees to it that the engine which answers has these images, by their official names.
#   images.sh [--stand-ins] NAME…     a line for each: `NAME: there`, `pulled`, `a stand-in`, or `not to be had: REASON`
# --stand-ins: what no registry gives is made from this machine's own programs, under the same name: node with its npm and
# the packages of the lock file, etcd, Consul and Nacos from the cache (fill-cache.sh). Ends with 1 where one is not to be had.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$here/../../..
cache=${PILOTFISH_CACHE:-$HOME/.cache/pilotfish}
pull_seconds=300
stand_ins=false
if [ "${1:-}" = --stand-ins ]; then stand_ins=true; shift; fi

work=$(mktemp -d "${TMPDIR:-/tmp}/pilotfish-images.XXXXXX")
trap 'rm -rf "$work"' EXIT

# archive NAME KEY COMMAND…: the path of NAME-KEY.tar in the cache; where it is missing, COMMAND makes the directory given
# to it as its last word. Its predecessors are removed.
archive() {
  local path=$cache/engine/$1-$2.tar root=$work/$1
  if [ ! -s "$path" ]; then
    mkdir -p "$root" "$cache/engine"
    "${@:3}" "$root" >&2
    tar -C "$root" -cf "$path.$$" .
    rm -rf "$root" "$cache/engine/$1"-*.tar
    mv "$path.$$" "$path"
  fi
  echo "$path"
}

digest() { cat "$@" | sha256sum | cut -c 1-16; }

# made_of NAME: the archive that a stand-in was made of; nothing for an official image. Fails where there is neither.
made_of() { docker image inspect --format '{{index .Config.Labels "pilotfish.stand-in"}}' "$1" 2>/dev/null; }

# import ARCHIVE NAME [INSTRUCTION…]: one layer, as a Dockerfile's instructions describe it.
import() {
  local file=$1 name=$2 changes=()
  shift 2
  if [ "$(made_of "$name")" = "${file##*/}" ]; then return; fi
  for instruction in "LABEL pilotfish.stand-in=${file##*/}" "$@"; do changes+=(--change "$instruction"); done
  docker import "${changes[@]}" "$file" "$name" >/dev/null
}

# stand_in NAME: fails where there is nothing to make it of.
stand_in() {
  local name=$1 version=${1##*:} program
  version=${version#v}
  case $name in
  node:*)
    import "$(archive node "$(digest "$here/node-root.sh" "$checkout/package-lock.json" <(node --version))" \
      bash "$here/node-root.sh" "$checkout")" "$name"
    ;;
  quay.io/coreos/etcd:*)
    program=$cache/servers/etcd-$version/etcd
    [ -x "$program" ] || return 1
    import "$(archive "etcd-$version" "$(digest "$program")" bash "$here/program-root.sh" "$program" /usr/local/bin/etcd)" \
      "$name" 'ENV PATH=/usr/local/bin' 'CMD ["/usr/local/bin/etcd"]' 'EXPOSE 2379 2380'
    ;;
  hashicorp/consul:*)
    program=$cache/servers/consul-$version/consul
    [ -x "$program" ] || return 1
    import "$(archive "consul-$version" "$(digest "$program")" bash "$here/program-root.sh" "$program" /bin/consul)" \
      "$name" 'ENV PATH=/bin' 'ENTRYPOINT ["/bin/consul"]' 'CMD ["agent", "-dev", "-client", "0.0.0.0"]' \
      'EXPOSE 8300 8301 8500 8502 8600'
    ;;
  nacos/nacos-server:*)
    program=$cache/servers/nacos-$version
    [ -s "$program/ready" ] || return 1
    import "$(archive "nacos-$version" "$(digest "$here/nacos-root.sh" "$program/cp.txt" "$program/application.properties")" \
      bash "$here/nacos-root.sh" "$program")" \
      "$name" 'ENTRYPOINT ["/jre/bin/java", "@/app/java.args"]' 'EXPOSE 8848 9848'
    ;;
  *) return 1 ;;
  esac
}

failed=0
unreachable=' '
for name in "$@"; do
  # A stand-in is looked at again where one may be made: it gives way to what it stands for.
  if archive_name=$(made_of "$name") && { [ -z "$archive_name" ] || ! "$stand_ins"; }; then
    echo "$name: there"
    continue
  fi
  registry=docker.io
  case ${name%%/*} in *.*) registry=${name%%/*} ;; esac
  if [[ $unreachable == *" $registry "* ]]; then
    reason="$registry cannot be reached"
  elif reason=$(timeout "$pull_seconds" docker pull --quiet "$name" 2>&1 >/dev/null); then
    echo "$name: pulled"
    continue
  else
    # That a name is not known is said by a registry that answers.
    case $reason in *denied* | *unknown* | *'not found'*) ;; *) unreachable+="$registry " ;; esac
  fi
  if "$stand_ins" && stand_in "$name"; then
    echo "$name: a stand-in"
  else
    echo "$name: not to be had: ${reason//$'\n'/ }"
    failed=1
  fi
done
exit "$failed"
