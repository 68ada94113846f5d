#!/usr/bin/env bash
# The root directory of a stand-in for the official Node image: this machine's own node, npm and shell, with the packages of
# the lock file in npm's cache, so that `npm ci` works in it without a network.
#   node-root.sh CHECKOUT ROOT
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/programs.sh"
checkout=$1 root=$2
mkdir -p "$root"/{bin,tmp,etc,root,usr/bin,usr/local/bin,usr/local/etc,usr/local/lib/node_modules,packages}
chmod 1777 "$root/tmp"

program "$(node -p process.execPath)" /usr/local/bin/node
for tool in bash sh cat chmod chown cp env find grep ldd mkdir rm; do program "$(command -v "$tool")" "/bin/$tool"; done
# Native packages load these, and node does not.
more_libraries rt dl m pthread resolv util
ln -s /bin/env "$root/usr/bin/env"
cp -r "$(npm root -g)/npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"

cp "$checkout/package.json" "$checkout/package-lock.json" "$root/packages"
(cd "$root/packages" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel error --cache "$root/root/.npm" >/dev/null)
rm -rf "$root/packages" "$root/root/.npm/_logs"
echo 'offline=true' >"$root/usr/local/etc/npmrc"
echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"
