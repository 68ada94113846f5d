// The sidecar itself, as `npm run build` made it: defaults, static registry, no own service.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commit } from '../find.mjs';
import { parse } from '../json.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const main = join(root, 'dist', 'bin', 'pilotfish.js');
const missing = () => (existsSync(main) ? undefined : 'dist/bin/pilotfish.js is not there: npm run build');
const version = () => {
  /** @type {{ version: string }} */
  const own = parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return `${own.version} (${commit(root)})`;
};

/** @type {import('./index.mjs').Row} */
export const pilotfish = {
  id: 'pilotfish',
  title: 'Pilotfish',
  missing,
  version,
  launch: (where) => launch(where, false),
};

/** @type {import('./index.mjs').Row} */
export const pilotfishWithLog = {
  id: 'pilotfish-log',
  title: 'Pilotfish, access log to a file',
  missing,
  version,
  launch: (where) => ({ ...launch(where, true), stdoutFile: join(where.directory, 'access.log') }),
};

/** @param {import('./index.mjs').Where} where @param {boolean} access @returns {import('./index.mjs').Launch} */
function launch({ directory, port, adminPort, services, silentClientsMs, nodeOptions = [] }, access) {
  const file = join(directory, 'pilotfish.yaml');
  const names = Object.keys(services);
  const lines = names.map((name) => `    ${name}: [${services[name].map((one) => `127.0.0.1:${one}`).join(', ')}]`);
  const http = silentClientsMs === undefined ? '' : `http: { headTimeout: ${silentClientsMs}ms }\n`;
  writeFileSync(
    file,
    `registry:
  type: static
  static:
${lines.join('\n')}
listeners:
  outbound: { address: 127.0.0.1:${port} }
admin: { address: 127.0.0.1:${adminPort} }
upstreams:
${names.map((name) => `  ${name}: {}`).join('\n')}
${http}log: { access: ${access} }
`,
  );
  return {
    argv: [process.execPath, ...nodeOptions, main, 'run', '-c', file],
    cwd: directory,
    ready: { port: adminPort, path: '/readyz', host: `127.0.0.1:${adminPort}` },
  };
}
