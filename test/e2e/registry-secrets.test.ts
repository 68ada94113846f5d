// Secrets of registries, planted: real sidecars and commands go through refusal, success and outage at log level trace, and
// nothing that comes out of them holds one, however it is spelled.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { request } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import { startApp } from '../support/apps.ts';
import {
  pilotfish,
  startSidecar,
  temporaryDirectory,
  type Running,
  type RunningSidecar,
} from '../support/processes.ts';
import { ConsulProcess, findConsul, TOKEN } from '../support/servers/consul.ts';
import { EtcdProcess, findEtcd } from '../support/servers/etcd.ts';
import { owned } from '../support/servers/index.ts';
import { ADMIN } from '../support/servers/nacos-api.ts';
import { findNacos, NacosProcess } from '../support/servers/nacos.ts';
import { adminJson } from '../support/topology.ts';
import { until } from '../support/until.ts';

/** A server that lets in who knows the secret. */
interface GuardedRegistry {
  readonly type: 'etcd' | 'consul' | 'nacos';
  /** Fields of `registry.<type>` without the secret. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The field that the secret stands in, the one that names a file with it, and the variable of the registry's own tools. */
  readonly field: string;
  readonly fileField?: string;
  readonly variable: string;
  readonly secret: string;
  readonly wrongSecret: string;
  /** How tokens begin that the server gives. */
  readonly tokenPrefix?: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

const ETCD_ROOT = { username: 'root', password: 'planted-Secret/of etcd?&%41' };
const ADMIN_PATHS = [
  '/livez',
  '/startupz',
  '/readyz',
  '/metrics',
  '/config',
  '/upstreams',
  '/registration',
  '/registry',
];

/** Everything that came out, by where it came from. */
class Evidence {
  private readonly texts: { readonly where: string; readonly text: string }[] = [];

  add(where: string, text: string): void {
    this.texts.push({ where, text });
  }

  addOutput(where: string, { lines, stderr }: Running): void {
    this.add(`${where}: stdout`, lines.join('\n'));
    this.add(`${where}: stderr`, stderr.join('\n'));
  }

  get all(): string {
    return this.texts.map(({ text }) => text).join('\n');
  }

  /** Where a secret is, in plain or as URLs, JSON and basic authentication spell it. */
  find(secrets: readonly string[]): string[] {
    const spellings = secrets.flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      new URLSearchParams({ s: secret }).toString().slice(2),
      JSON.stringify(secret).slice(1, -1),
      ...[0, 1, 2].map((shift) =>
        Buffer.from(`${'x'.repeat(shift)}${secret}`)
          .toString('base64')
          .slice(4, -4),
      ),
    ]);
    return this.texts.flatMap(({ where, text }) =>
      spellings
        .filter((spelling) => text.includes(spelling))
        .map((spelling) => {
          const at = text.indexOf(spelling);
          return `${where}: …${text.slice(Math.max(0, at - 80), at + spelling.length + 40)}…`;
        }),
    );
  }
}

async function startEtcd(): Promise<GuardedRegistry | undefined> {
  const found = owned(await findEtcd()).at(-1)?.found;
  if (found === undefined) return undefined;
  const server = await EtcdProcess.start(found);
  const { auth, close } = (() => {
    const client = new Etcd3({ hosts: `http://${server.address}` });
    return { auth: client.auth, close: () => client.close() };
  })();
  await auth.userAdd({ name: ETCD_ROOT.username, password: ETCD_ROOT.password });
  await auth.roleAdd({ name: 'root' });
  await auth.userGrantRole({ user: 'root', role: 'root' });
  await auth.authEnable();
  close();
  return {
    type: 'etcd',
    options: { endpoints: [`http://${server.address}`], username: ETCD_ROOT.username },
    field: 'password',
    variable: 'ETCDCTL_PASSWORD',
    secret: ETCD_ROOT.password,
    wrongSecret: 'another planted-Secret/of etcd',
    kill: () => server.kill(),
    restart: () => server.restart(),
    close: () => server.close(),
  };
}

async function startConsul(): Promise<GuardedRegistry | undefined> {
  const found = owned(await findConsul()).at(-1);
  if (found === undefined) return undefined;
  const server = await ConsulProcess.start(found, { acl: true });
  return {
    type: 'consul',
    options: { address: server.address },
    field: 'token',
    fileField: 'tokenFile',
    variable: 'CONSUL_HTTP_TOKEN',
    secret: TOKEN,
    wrongSecret: '0b16c0de-7000-4000-8000-00000000bad0',
    kill: () => server.kill(),
    restart: () => server.restart(),
    close: () => server.close(),
  };
}

async function startNacos(): Promise<GuardedRegistry | undefined> {
  const found = owned(await findNacos()).at(-1)?.found;
  if (found === undefined) return undefined;
  const server = await NacosProcess.start(found, { hasAuth: true });
  return {
    type: 'nacos',
    options: { endpoints: [server.address], username: ADMIN.username },
    field: 'password',
    fileField: 'passwordFile',
    variable: 'NACOS_PASSWORD',
    secret: ADMIN.password,
    wrongSecret: 'another/planted secret of nacos',
    tokenPrefix: 'eyJhbGciOi',
    kill: () => server.kill(),
    restart: () => server.restart(),
    close: () => server.close(),
  };
}

/** A configuration file with an own service and these fields of the registry. */
function configFile(registry: GuardedRegistry, fields: Readonly<Record<string, unknown>>, appPort: number): string {
  const path = join(temporaryDirectory(), 'pilotfish.yaml');
  const { type, options } = registry;
  const config = {
    service: {
      name: 'orders',
      id: 'orders-1',
      app: `127.0.0.1:${appPort}`,
      advertise: '127.0.0.1',
      metadata: { version: '1' },
    },
    registry: { type, ttl: '3s', [type]: { ...options, ...fields } },
    upstreams: { orders: {} },
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

async function lookAt(sidecar: RunningSidecar, when: string, evidence: Evidence): Promise<void> {
  for (const path of ADMIN_PATHS) {
    const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}${path}`);
    evidence.add(`${when}: ${path}`, await body.text());
  }
}

/** Runs a command to its end; its exit code. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  when: string,
  evidence: Evidence,
): Promise<number | string> {
  const running = pilotfish(args, { ...env, PILOTFISH_LOG_LEVEL: 'trace' });
  const code = await running.exited;
  await until(
    'its output has ended',
    () => running.child.stdout?.readableEnded === true && running.child.stderr?.readableEnded === true,
  );
  evidence.addOutput(`${when}: ${args.slice(0, 2).join(' ')}`, running);
  return code;
}

const stateOf = async (sidecar: RunningSidecar, path: '/registration' | '/readyz'): Promise<string> => {
  const view = (await adminJson(sidecar, path)) as { state?: string; status?: string };
  return view.state ?? view.status ?? '';
};

describe.each([
  { name: 'etcd', start: startEtcd },
  { name: 'Consul', start: startConsul },
  { name: 'Nacos', start: startNacos },
])('secrets of $name', ({ start }) => {
  let registry: GuardedRegistry | undefined;
  afterAll(() => registry?.close());

  it('are in nothing that comes out, whatever happens', { timeout: 400_000 }, async (context) => {
    registry = await start();
    if (registry === undefined) return context.skip('no server here');
    const { field, fileField, variable, secret, wrongSecret, tokenPrefix } = registry;
    const evidence = new Evidence();
    const app = await startApp();
    const trace = { PILOTFISH_LOG_LEVEL: 'trace' };

    const wrong = configFile(registry, { [field]: wrongSecret }, app.port);
    const refused = await startSidecar(trace, ['-c', wrong]);
    await until(
      'it is refused',
      async () =>
        ['denied', 'pending'].includes(await stateOf(refused, '/registration')) && (await reasonOf(refused)) !== null,
    );
    await until('the refusal of the list is told', async () =>
      JSON.stringify(await adminJson(refused, '/registry')).includes('lastError":"'),
    );
    await lookAt(refused, 'refused', evidence);
    for (const command of [['ls'], ['ls', 'orders', '--json'], ['watch', 'orders'], ['register', 'x', '127.0.0.1:1']]) {
      expect(await run(['registry', ...command, '-c', wrong], {}, 'refused', evidence)).toBe(69);
    }
    refused.child.kill('SIGTERM');
    expect(await refused.exited).toBe(0);
    evidence.addOutput('refused', refused);

    // Told in every way that there is: by the file's field, by a file of its own, by the variable of the registry's tools.
    const secretFile = join(temporaryDirectory(), 'secret');
    writeFileSync(secretFile, `${secret}\n`);
    const ways = [
      { fields: { [field]: secret }, env: {} },
      ...(fileField === undefined ? [] : [{ fields: { [fileField]: secretFile }, env: {} }]),
      { fields: {}, env: { [variable]: secret } },
    ];
    for (const { fields, env } of ways.slice(1)) {
      const config = configFile(registry, fields, app.port);
      expect(await run(['registry', 'ls', '-c', config], env, 'let in', evidence)).toBe(0);
      expect(await run(['validate', '-c', config], env, 'let in', evidence)).toBe(0);
    }
    const right = configFile(registry, { [field]: secret }, app.port);
    const sidecar = await startSidecar({ ...trace, UNUSED: secret }, ['-c', right]);
    await until('it is registered', async () => (await stateOf(sidecar, '/registration')) === 'registered', {
      withinMs: 20_000,
    });
    await until('it is ready', async () => (await stateOf(sidecar, '/readyz')) === 'ready');
    await lookAt(sidecar, 'registered', evidence);
    expect(await run(['registry', 'ls', 'orders', '--json', '-c', right], {}, 'registered', evidence)).toBe(0);
    await registry.kill();
    await until('it is degraded', async () => (await stateOf(sidecar, '/readyz')) === 'degraded', { withinMs: 20_000 });
    await until('the loss is told', async () => (await stateOf(sidecar, '/registration')) !== 'registered', {
      withinMs: 20_000,
    });
    await lookAt(sidecar, 'server gone', evidence);
    expect(await run(['registry', 'ls', '-c', right], {}, 'server gone', evidence)).toBe(69);
    await registry.restart();
    await until('it is registered again', async () => (await stateOf(sidecar, '/registration')) === 'registered', {
      withinMs: 20_000,
    });
    await lookAt(sidecar, 'server back', evidence);
    sidecar.child.kill('SIGTERM');
    expect(await sidecar.exited).toBe(0);
    evidence.addOutput('let in', sidecar);

    expect(evidence.all).toContain('"level":"debug"');
    expect(evidence.all).toContain('"***"');
    expect(evidence.find([secret, wrongSecret, ...(tokenPrefix === undefined ? [] : [tokenPrefix])])).toEqual([]);
  });
});

describe('a secret where it does not belong', () => {
  const SECRET = 'planted-Secret0f-nobody';
  const slips: Readonly<Record<string, string>> = {
    'a misspelt field': `registry: { type: etcd, etcd: { passwort: "${SECRET}" } }`,
    'a list': `registry: { type: etcd, etcd: { username: u, password: ["${SECRET}"] } }`,
    'a mapping': `registry: { type: consul, consul: { token: { value: "${SECRET}" } } }`,
    'an endpoint': `registry: { type: nacos, nacos: { endpoints: ["http://u:${SECRET}@127.0.0.1:1"] } }`,
    'an endpoint of etcd': `registry: { type: etcd, etcd: { endpoints: ["http://u:${SECRET}@127.0.0.1:1"] } }`,
    'an address': `registry: { type: consul, consul: { address: "http://u:${SECRET}@127.0.0.1:1" } }`,
    'the type': `registry: { type: "etcd://u:${SECRET}@127.0.0.1:1" }`,
    'broken YAML': `registry: { type: etcd, etcd: { password: "${SECRET} } }`,
    'a bare colon': `registry:\n  etcd:\n    password: ${SECRET}: x\n`,
  };

  it.each(Object.keys(slips))('is not repeated: %s', async (what) => {
    const path = join(temporaryDirectory(), 'pilotfish.yaml');
    writeFileSync(path, slips[what] ?? '');
    const evidence = new Evidence();
    await run(['validate', '-c', path], {}, what, evidence); // An address is judged by its adapter, when it is opened.
    for (const command of [['run'], ['registry', 'ls']]) {
      expect(await run([...command, '-c', path], {}, what, evidence)).toBe(1);
    }
    expect(evidence.all).not.toBe('');
    expect(evidence.find([SECRET])).toEqual([]);
  });

  it.each(['etcd', 'consul', 'nacos', 'file', 'dns', 'static', 'zookeeper'])(
    'is not repeated: a URL with %s:',
    async (scheme) => {
      const url = `${scheme}://u:${SECRET}@127.0.0.1:1/p?token=${SECRET}`;
      const evidence = new Evidence();
      for (const command of [['run'], ['validate'], ['registry', 'ls']]) {
        expect(await run(command, { PILOTFISH_REGISTRY: url }, url, evidence)).toBe(1);
      }
      expect(await run(['registry', 'ls', '--registry', url], {}, url, evidence)).toBe(1);
      expect(evidence.find([SECRET])).toEqual([]);
    },
  );
});

async function reasonOf(sidecar: RunningSidecar): Promise<string | null> {
  return ((await adminJson(sidecar, '/registration')) as { reason: string | null }).reason;
}
