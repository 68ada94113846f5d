#!/usr/bin/env bash
# A stand-in for the official Node image where none can be pulled: this machine's own node, npm and shell, with the
# packages of the lock file in npm's cache, so that `npm ci` works in it without a network.
#   base-image.sh CHECKOUT ARCHIVE     writes ARCHIVE, to be given to `docker import`
set -euo pipefail
checkout=$1 archive=$2
root=$(mktemp -d "${TMPDIR:-/tmp}/pilotfish-base.XXXXXX")
trap 'rm -rf "$root" "$archive.$$"' EXIT
mkdir -p "$root"/{bin,tmp,etc,root,usr/local/bin,usr/local/etc,usr/local/lib/node_modules} "$root/packages"
chmod 1777 "$root/tmp"

# program FILE TARGET: with the libraries that it loads.
program() {
  cp -L "$1" "$root$2"
  local library
  for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ )]*' || true); do
    if [ -e "$root$library" ]; then continue; fi
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
}
program "$(node -p process.execPath)" /usr/local/bin/node
for tool in bash sh cat chmod chown cp env find grep ldd mkdir rm; do program "$(command -v "$tool")" "/bin/$tool"; done
# Parts of the C library that native packages load and node does not.
libraries=$(dirname "$(ldd "$(command -v bash)" | grep -o '/[^ )]*libc\.so[^ )]*')")
for library in "$libraries"/lib{rt,dl,m,pthread,resolv,util}.so.*; do cp -nL "$library" "$root$libraries/"; done
mkdir -p "$root/usr/bin" && ln -s /bin/env "$root/usr/bin/env"
cp -r "$(npm root -g)/npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"

cp "$checkout/package.json" "$checkout/package-lock.json" "$root/packages"
(cd "$root/packages" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel error --cache "$root/root/.npm" >/dev/null)
rm -rf "$root/packages" "$root/root/.npm/_logs"
echo 'offline=true' >"$root/usr/local/etc/npmrc"
echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"

tar -C "$root" -cf "$archive.$$" .
mv "$archive.$$" "$archive"
