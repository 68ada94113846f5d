// HAProxy with all that its manual offers against failing servers: checks each second, traffic observed, another server tried for
// whatever may be tried again; POST only where the connection could not be made.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find } from '../../bench/find.mjs';
import { haproxy as benched } from '../../bench/rows/haproxy.mjs';
import { SERVICE } from '../service.mjs';

/** @type {import('./index.mjs').ProxyKind} */
export const haproxy = {
  id: 'haproxy',
  title: 'HAProxy',
  isPeer: true,
  missing: benched.missing,
  version: benched.version,
  launch({ directory, port, ports, files }) {
    const file = join(directory, 'haproxy.cfg');
    const servers = ports.map((one, i) => `  server s${i} 127.0.0.1:${one}`);
    writeFileSync(
      file,
      `global
  maxconn ${Math.min(20_000, Math.floor(files / 2) - 50)}
  nbthread 1
defaults
  mode http
  timeout connect 300ms
  timeout client 300s
  timeout server 5s
  timeout http-request 10s
  retries 2
  option redispatch 1
  retry-on all-retryable-errors
  http-reuse safe
frontend outbound
  bind 127.0.0.1:${port} backlog 4096
  default_backend ${SERVICE}
backend ${SERVICE}
  balance leastconn
  option httpchk GET /well
  http-request disable-l7-retry if METH_POST
  default-server check inter 1s fall 2 rise 1 observe layer7 error-limit 5 on-error mark-down
${servers.join('\n')}
`,
    );
    return { argv: [find('haproxy') ?? '', '-db', '-f', file], ready: { port, path: '/well', host: SERVICE } };
  },
};
