// The sidecar itself, as `npm run build` made it, by its defaults: what is written here says where, not how.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pilotfish as benched } from '../../bench/rows/pilotfish.mjs';
import { SERVICE } from '../service.mjs';

const MAIN = fileURLToPath(new URL('../../../dist/bin/pilotfish.js', import.meta.url));

/** @type {import('./index.mjs').ProxyKind} */
export const pilotfish = {
  id: 'pilotfish',
  title: 'Pilotfish',
  isPeer: false,
  missing: benched.missing,
  version: benched.version,
  launch({ directory, port, adminPort, ports, registry, upstream = '{}' }) {
    const endpoints = ports.map((one) => `127.0.0.1:${one}`).join(', ');
    const file = join(directory, 'pilotfish.yaml');
    writeFileSync(
      file,
      `registry: ${registry ?? `{ type: static, static: { ${SERVICE}: [${endpoints}] } }`}
listeners: { outbound: { address: 127.0.0.1:${port} } }
admin: { address: 127.0.0.1:${adminPort} }
upstreams: { ${SERVICE}: ${upstream} }
log: { access: false }
`,
    );
    return {
      argv: [process.execPath, MAIN, 'run', '-c', file],
      cwd: directory,
      ready: { port: adminPort, path: '/readyz', host: `127.0.0.1:${adminPort}` },
    };
  },
};
