// HAProxy: one thread, least connections, idle connections to the servers shared, no log.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, version } from '../find.mjs';
import { fileLimit } from '../processes.mjs';

const path = find('haproxy');

/** @type {import('./index.mjs').Row} */
export const haproxy = {
  id: 'haproxy',
  title: 'HAProxy',
  missing: () => (path === undefined ? 'no haproxy found: test/bench/install-peers.sh' : undefined),
  version: () => version(path ?? '', ['-v']),
  launch({ directory, port, services }) {
    const file = join(directory, 'haproxy.cfg');
    const names = Object.keys(services);
    const backends = names.map((name) => {
      const servers = services[name].map((one, i) => `  server s${i} 127.0.0.1:${one}`);
      return [`backend ${name}`, '  balance leastconn', ...servers].join('\n');
    });
    writeFileSync(
      file,
      `global
  maxconn ${Math.min(20_000, Math.floor(fileLimit / 2) - 200)}
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
  option redispatch 1
frontend outbound
  bind 127.0.0.1:${port} backlog 4096
  use_backend %[req.hdr(host),lower]
${backends.join('\n')}
`,
    );
    return { argv: [path ?? '', '-db', '-f', file], ready: { port, path: '/', host: names[0] } };
  },
};
