// The backends, the same for every row: nginx with a static answer where there is one, else a raw Node server.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ANSWER } from './answer.mjs';
import { find, version } from './find.mjs';
import { start } from './processes.mjs';
import { nginxMain, nginxPaths } from './rows/nginx.mjs';
import { freePorts, ready } from './wait.mjs';

const NODE_BACKEND = fileURLToPath(new URL('backend-node.mjs', import.meta.url));

/** Copies that listen: ten, so that a service can have ten endpoints; blocks with three use the first three. */
export const COPIES = 10;

/** Sizes of the files that block C reads: path → bytes. */
const FILES = { '/64k': 64 * 1024, '/10m': 10 * 1024 * 1024 };

/**
 * One process that listens on `COPIES` ports: `/` gives 64 bytes of JSON, `/64k` and `/10m` files of that size.
 * @param {string} directory @param {number} core
 * @returns {Promise<{ ports: number[], title: string, files: boolean }>}
 */
export async function startBackend(directory, core) {
  const nginx = find('nginx');
  if (nginx === undefined) return { ...(await startNode(COPIES, core)), title: 'raw Node server', files: false };
  const ports = await freePorts(COPIES);
  const argv = [nginx, '-p', directory, '-c', configure(directory, ports), '-e', 'stderr'];
  await upAndRunning(start({ name: 'backend', argv, core }), ports[0]);
  return { ports, title: `nginx ${version(nginx, ['-v'])}`, files: true };
}

/**
 * A raw Node server in a process of its own, which reads bodies to their end (nginx answers before) and can be killed.
 * @param {number} count  ports @param {number} core
 */
export async function startNode(count, core) {
  const ports = await freePorts(count);
  const one = start({ name: 'copy', argv: [process.execPath, NODE_BACKEND, ports.join(',')], core });
  await upAndRunning(one, ports[0]);
  return { ports, process: one };
}

/** @param {import('./processes.mjs').Running} one @param {number} port */
async function upAndRunning(one, port) {
  if (await ready({ port, path: '/' }, one.alive)) return;
  throw new Error(`the ${one.name} did not start: ${one.complaint()}`);
}

/** @param {string} directory @param {number[]} ports */
function configure(directory, ports) {
  const root = join(directory, 'files');
  mkdirSync(root);
  for (const [path, bytes] of Object.entries(FILES)) writeFileSync(join(root, path), Buffer.alloc(bytes, 'x'));
  const file = join(directory, 'backend.conf');
  writeFileSync(
    file,
    `${nginxMain(directory)}
http {
  ${nginxPaths(directory)}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=10;
  server {
    ${ports.map((port) => `listen 127.0.0.1:${port} backlog=4096;`).join(' ')}
    root ${root};
    default_type application/json;
    location = / { return 200 '${ANSWER}'; }
  }
}
`,
  );
  return file;
}
