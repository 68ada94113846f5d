#!/usr/bin/env bash
# The root directory of an image that holds one program and the libraries that it loads.
#   program-root.sh PROGRAM PATH ROOT     PATH: where it is in ROOT
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/programs.sh"
root=$3
mkdir -p "$root"/{etc,tmp}
chmod 1777 "$root/tmp"
program "$1" "$2"
echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
