# The sidecar as a container image: Node, the compiled program, its production dependencies. No shell, no package manager.
#   docker build -t pilotfish .
#   docker run --network container:orders -e PILOTFISH_SERVICE=orders -e PILOTFISH_APP=127.0.0.1:3000 pilotfish
# docs/deploy.md tells more. Works with --read-only and --cap-drop ALL.
ARG BASE=node:22-bookworm-slim
FROM ${BASE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY adapters adapters
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund
# The root directory of the image: node with the libraries that it loads, one user, a place for records and lists.
RUN set -eu; root=/image; node=$(command -v node); \
    mkdir -p $root/app $root/etc/pilotfish $root/usr/local/bin $root/tmp $root/run/pilotfish $root/var/lib/pilotfish; \
    cp -L "$node" $root/usr/local/bin/node; \
    for library in $(ldd "$node" | grep -o '/[^ )]*'); do mkdir -p "$root${library%/*}"; cp -L "$library" "$root$library"; done; \
    echo 'pilotfish:x:1000:1000::/:/sbin/nologin' > $root/etc/passwd; echo 'pilotfish:x:1000:' > $root/etc/group; \
    echo 'hosts: files dns' > $root/etc/nsswitch.conf; \
    cp -r package.json node_modules $root/app; mkdir $root/app/dist; cp -r dist/bin $root/app/dist; \
    find $root/app -type f \( -name '*.map' -o -name '*.ts' -o -name '*.md' \) -delete; \
    chmod 1777 $root/tmp; chown -R 1000:1000 $root/run/pilotfish $root/var/lib/pilotfish

FROM scratch
COPY --from=build /image /
COPY LICENSE /app/LICENSE
ENV NODE_ENV=production PATH=/usr/local/bin
# ./pilotfish.yaml is read where it exists: mount one at /etc/pilotfish.
WORKDIR /etc/pilotfish
USER 1000:1000
# Started, not ready: the app that registration waits for may start after its sidecar.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["node", "/app/dist/bin/pilotfish.js", "status", "--startup"]
# Node itself is the first process and gets the signals: SIGTERM drains.
ENTRYPOINT ["node", "/app/dist/bin/pilotfish.js"]
CMD ["run"]
