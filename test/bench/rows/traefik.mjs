// Traefik with its defaults and the file provider; nothing that would leave the machine.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, version } from '../find.mjs';

const path = find('traefik');

/** @type {import('./index.mjs').Row} */
export const traefik = {
  id: 'traefik',
  title: 'Traefik',
  missing: () => (path === undefined ? 'no traefik found: test/bench/install-peers.sh' : undefined),
  version: () => version(path ?? '', ['version']),
  launch({ directory, port, services }) {
    // JSON is YAML, and the only extensions that it reads are YAML's and TOML's.
    const file = join(directory, 'traefik.yaml');
    const dynamic = join(directory, 'dynamic.yaml');
    const names = Object.keys(services);
    /** @type {Record<string, object>} */ const routers = {};
    /** @type {Record<string, object>} */ const balanced = {};
    for (const name of names) {
      routers[name] = { rule: `Host(\`${name}\`)`, service: name, entryPoints: ['web'] };
      balanced[name] = { loadBalancer: { servers: services[name].map((one) => ({ url: `http://127.0.0.1:${one}` })) } };
    }
    writeFileSync(dynamic, JSON.stringify({ http: { routers, services: balanced } }));
    writeFileSync(
      file,
      JSON.stringify({
        global: { checkNewVersion: false, sendAnonymousUsage: false },
        log: { level: 'ERROR' },
        entryPoints: { web: { address: `127.0.0.1:${port}` } },
        providers: { file: { filename: dynamic } },
      }),
    );
    return { argv: [path ?? '', `--configFile=${file}`], ready: { port, path: '/', host: names[0] } };
  },
};
