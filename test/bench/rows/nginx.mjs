// nginx: one worker, least connections, keep-alive pools to the backends, no access log.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, version } from '../find.mjs';
import { fileLimit } from '../processes.mjs';

const path = find('nginx');

/** @type {import('./index.mjs').Row} */
export const nginx = {
  id: 'nginx',
  title: 'nginx',
  missing: () => (path === undefined ? 'no nginx found: test/bench/install-peers.sh' : undefined),
  version: () => version(path ?? '', ['-v']),
  launch({ directory, port, services }) {
    const file = join(directory, 'nginx.conf');
    const names = Object.keys(services);
    writeFileSync(
      file,
      `${nginxMain(directory)}
http {
  ${nginxPaths(directory)}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_header_timeout 300s;
  client_max_body_size 0;
  server_names_hash_max_size 16384;
  ${names.map((name) => upstream(name, services[name])).join('\n  ')}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_max_temp_file_size 0;
  proxy_request_buffering off;
  ${names.map((name, i) => server(name, `127.0.0.1:${port}${i === 0 ? ' backlog=4096' : ''}`)).join('\n  ')}
}
`,
    );
    return {
      argv: [path ?? '', '-p', directory, '-c', file, '-e', 'stderr'],
      ready: { port, path: '/', host: names[0] },
    };
  },
};

/** The part outside `http` that proxy and backend share. @param {string} directory */
export function nginxMain(directory) {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
worker_processes 1;
${user}
pid ${join(directory, 'nginx.pid')};
error_log stderr error;
worker_rlimit_nofile ${fileLimit};
events { worker_connections ${fileLimit - 100}; }`;
}

/** Where nginx may write. @param {string} directory */
export function nginxPaths(directory) {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(directory, `${kind}_temp`)};`)
    .join(' ');
}

/** @param {string} name @param {number[]} ports */
function upstream(name, ports) {
  const servers = ports.map((port) => `server 127.0.0.1:${port};`).join(' ');
  return `upstream ${name} { least_conn; ${servers} keepalive 256; keepalive_requests 1000000000; }`;
}

/** @param {string} name @param {string} listen  its options may be given once only */
function server(name, listen) {
  return `server { listen ${listen}; server_name ${name}; location / { proxy_pass http://${name}; } }`;
}
