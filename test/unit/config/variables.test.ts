import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { problemText } from '../../../src/config/problem.ts';
import { REGISTRY_TYPES } from '../../../src/registry/locator.ts';
import { VARIABLES } from '../../../src/config/variables.ts';
import { configOf, fileWith, fromEnv, load } from './load.ts';
import type { Env } from './load.ts';
import { loadConfig } from '../../../src/config/source.ts';

const KNOWN = `${REGISTRY_TYPES.slice(0, -1).join(', ')} or ${String(REGISTRY_TYPES.at(-1))}`;
const SERVICE = { PILOTFISH_SERVICE: 'orders', PILOTFISH_APP: '127.0.0.1:3000' };

async function config(env: Env): Promise<Config> {
  return configOf('', env);
}

async function problems(env: Env): Promise<string[]> {
  const loaded = await fromEnv(env);
  return loaded.ok ? [] : loaded.problems.map(problemText);
}

describe('each variable', () => {
  const cases: readonly (readonly [Env, (config: Config) => unknown, unknown])[] = [
    [{}, ({ service }) => service, undefined],
    [{ PILOTFISH_REGISTRY: 'static' }, ({ registry }) => registry.type, 'static'],
    [
      { PILOTFISH_REGISTRY: 'file:///run/pilot%20fish/' },
      ({ registry }) => [registry.type, registry.file.directory],
      ['file', '/run/pilot fish'],
    ],
    [SERVICE, ({ service }) => [service?.name, service?.app], ['orders', { host: '127.0.0.1', port: 3000 }]],
    [{ ...SERVICE, PILOTFISH_APP: '[::1]:80' }, ({ service }) => service?.app, { host: '::1', port: 80 }],
    [
      { ...SERVICE, PILOTFISH_ADVERTISE: '10.0.0.7' },
      ({ service }) => service?.advertise,
      { host: '10.0.0.7', port: undefined },
    ],
    [{ ...SERVICE, PILOTFISH_ADVERTISE: 'node:81' }, ({ service }) => service?.advertise, { host: 'node', port: 81 }],
    [{ ...SERVICE, PILOTFISH_ADVERTISE: '::1' }, ({ service }) => service?.advertise, { host: '::1', port: undefined }],
    [
      { ...SERVICE, PILOTFISH_INBOUND: '0.0.0.0:0' },
      ({ listeners }) => listeners.inbound.address,
      { host: '0.0.0.0', port: 0 },
    ],
    [
      { PILOTFISH_OUTBOUND: '127.0.0.1:1' },
      ({ listeners }) => listeners.outbound.address,
      { host: '127.0.0.1', port: 1 },
    ],
    [{ PILOTFISH_ADMIN: '[::1]:0' }, ({ admin }) => admin.address, { kind: 'tcp', host: '::1', port: 0 }],
    [{ PILOTFISH_ADMIN: 'unix:/run/a.sock' }, ({ admin }) => admin.address, { kind: 'unix', path: '/run/a.sock' }],
    [{ ...SERVICE, PILOTFISH_ID: 'a-1' }, ({ service }) => service?.id, 'a-1'],
    [{ ...SERVICE, PILOTFISH_ZONE: 'eu-1a' }, ({ service }) => service?.zone, 'eu-1a'],
    [{ ...SERVICE, PILOTFISH_ZONE: 'eu-1a' }, ({ upstreamDefaults }) => upstreamDefaults.zone.own, 'eu-1a'],
    [{ PILOTFISH_ZONE: 'eu-1a' }, ({ upstreamDefaults }) => upstreamDefaults.zone.own, 'eu-1a'],
    [{ ...SERVICE, PILOTFISH_WEIGHT: '50' }, ({ service }) => service?.weight, 50],
    [{ ...SERVICE, PILOTFISH_TAGS: 'a, b,,c' }, ({ service }) => service?.tags, ['a', 'b', 'c']],
    [
      { ...SERVICE, PILOTFISH_METADATA: 'a=1, b=x=y,c=' },
      ({ service }) => service?.metadata,
      { a: '1', b: 'x=y', c: '' },
    ],
    [
      { ...SERVICE, PILOTFISH_HEALTH: '/healthz' },
      ({ service }) => service?.health.probe,
      { kind: 'http', path: '/healthz' },
    ],
    [{ ...SERVICE, PILOTFISH_HEALTH: 'tcp' }, ({ service }) => service?.health.probe, { kind: 'tcp' }],
    [{ ...SERVICE, PILOTFISH_HEALTH: 'grpc' }, ({ service }) => service?.health.probe, { kind: 'grpc', service: '' }],
    [
      { ...SERVICE, PILOTFISH_HEALTH: 'grpc:a.B' },
      ({ service }) => service?.health.probe,
      { kind: 'grpc', service: 'a.B' },
    ],
    [{ PILOTFISH_TTL: '3s' }, ({ registry }) => registry.ttlMs, 3000],
    [{ PILOTFISH_LOG_LEVEL: 'debug' }, ({ log }) => log.level, 'debug'],
    [{ PILOTFISH_LOG_LEVEL: '' }, ({ log }) => log.level, 'info'],
  ];

  it.each(cases)('%j', async (env, read, expected) => {
    expect(read(await config(env))).toEqual(expected);
  });

  it('has a case above', () => {
    const tried = new Set(cases.flatMap(([env]) => Object.keys(env)));
    const untried = VARIABLES.map(({ name }) => name).filter((name) => !tried.has(name));
    expect(untried).toEqual(['PILOTFISH_CONFIG']);
  });

  it('wins over its field in the file', async () => {
    const yaml = `
service: { name: a, app: "a:1", weight: 1, tags: [x], metadata: { k: v }, health: { http: /x, interval: 9s } }
registry: { type: static, ttl: 1s, file: { directory: /a } }
admin: { address: 127.0.0.1:1 }
log: { level: warn }`;
    const { service, registry, admin, log } = await configOf(yaml, {
      PILOTFISH_SERVICE: 'b',
      PILOTFISH_WEIGHT: '2',
      PILOTFISH_TAGS: 'y',
      PILOTFISH_METADATA: 'l=w',
      PILOTFISH_HEALTH: 'tcp',
      PILOTFISH_REGISTRY: 'file',
      PILOTFISH_TTL: '2s',
      PILOTFISH_ADMIN: '127.0.0.1:2',
      PILOTFISH_LOG_LEVEL: 'error',
    });
    expect(service).toMatchObject({
      name: 'b',
      app: { host: 'a', port: 1 },
      weight: 2,
      tags: ['y'],
      metadata: { l: 'w' },
    });
    expect(service?.health).toMatchObject({ probe: { kind: 'tcp' }, intervalMs: 9000 });
    expect(registry).toMatchObject({ type: 'file', ttlMs: 2000, file: { directory: '/a' } });
    expect([admin.address, log.level]).toEqual([{ kind: 'tcp', host: '127.0.0.1', port: 2 }, 'error']);
  });
});

describe('a variable that is wrong', () => {
  it.each<readonly [Env, string]>([
    [
      { ...SERVICE, PILOTFISH_WEIGHT: 'many' },
      'PILOTFISH_WEIGHT: service.weight: found "many", expected a whole number from 0 to 1000',
    ],
    [
      { ...SERVICE, PILOTFISH_WEIGHT: '1001' },
      'PILOTFISH_WEIGHT: service.weight: found 1001, expected a whole number from 0 to 1000',
    ],
    [
      { PILOTFISH_TTL: '10' },
      'PILOTFISH_TTL: registry.ttl: found "10", expected a duration such as 250ms, 5s or 1m, from 500ms to 24h',
    ],
    [{ PILOTFISH_REGISTRY: 'zookeeper' }, `PILOTFISH_REGISTRY: registry.type: found "zookeeper", expected ${KNOWN}`],
    [
      { PILOTFISH_REGISTRY: 'consuls://u:secret@h:1' },
      'PILOTFISH_REGISTRY: registry.type: found a URL with consuls:, expected consul://host:8500?dc=name (a token goes into CONSUL_HTTP_TOKEN)',
    ],
    [
      { PILOTFISH_REGISTRY: 'redis://u:secret@h' },
      `PILOTFISH_REGISTRY: registry.type: found a URL with redis:, expected ${REGISTRY_TYPES.join(', ')}, or a URL such as file:///directory`,
    ],
    [
      { PILOTFISH_REGISTRY: 'file://u:secret@h/run' },
      'PILOTFISH_REGISTRY: registry.type: found a URL with file:, expected file:///directory, an absolute path',
    ],
    [
      { PILOTFISH_REGISTRY: 'file://run/pilotfish' },
      'PILOTFISH_REGISTRY: registry.type: found a URL with file:, expected file:///directory, an absolute path',
    ],
    [
      { ...SERVICE, PILOTFISH_METADATA: 'novalue' },
      'PILOTFISH_METADATA: service.metadata: found "novalue", expected pairs such as version=2.1.0,team=shop',
    ],
    [
      { ...SERVICE, PILOTFISH_METADATA: '__proto__=x' },
      'PILOTFISH_METADATA: service.metadata: found "__proto__=x", expected pairs such as version=2.1.0,team=shop',
    ],
    [
      { ...SERVICE, PILOTFISH_HEALTH: 'ftp' },
      'PILOTFISH_HEALTH: service.health: found "ftp", expected /path, tcp, grpc or grpc:service',
    ],
    [
      { PILOTFISH_ADMIN: '0.0.0.0:1' },
      'PILOTFISH_ADMIN: admin.address: found "0.0.0.0:1", expected a loopback address or unix:/path (the admin listener has no authentication)',
    ],
    [
      { PILOTFISH_ADMIN: `unix:/${'x'.repeat(107)}` },
      `PILOTFISH_ADMIN: admin.address: found "unix:/${'x'.repeat(54)}…", expected host:port or unix:/path to listen on (a socket's path has at most 107 bytes), such as 127.0.0.1:15000 (port 0: any free one)`,
    ],
    [
      { PILOTFISH_SERVICE: 'orders' },
      'PILOTFISH_APP: service.app: found nothing, expected the address of the app as host:port, such as 127.0.0.1:3000 or [::1]:3000',
    ],
    [
      { PILOTFISH_APP: '127.0.0.1:1' },
      'PILOTFISH_SERVICE: service.name: found nothing, expected the name of this service (1 to 255 bytes, no control characters)',
    ],
  ])('%j is reported under its own name', async (env, expected) => {
    expect(await problems(env)).toEqual([expected]);
  });

  it('is reported together with the problems of the file', async () => {
    const loaded = await load('drain: { settle: x }', { PILOTFISH_TTL: 'y', PILOTFISH_HEALTH: 'z', ...SERVICE });
    expect(loaded.ok ? [] : loaded.problems.map(({ path }) => path)).toEqual([
      'service.health',
      'registry.ttl',
      'drain.settle',
    ]);
  });
});

describe('a variable without effect', () => {
  it('is warned of where nobody knows it', async () => {
    const { warnings } = await fromEnv({ PILOTFISH_LOGLEVEL: 'x', PILOTFISH_FOO: 'y', OTHER: 'z' });
    expect(warnings).toEqual([
      'PILOTFISH_FOO: no such variable',
      'PILOTFISH_LOGLEVEL: no such variable; did you mean PILOTFISH_LOG_LEVEL?',
    ]);
  });

  it('is warned of where it speaks of an own service that is not there', async () => {
    const { ok, warnings } = await fromEnv({ PILOTFISH_WEIGHT: '50' });
    expect([ok, warnings]).toEqual([
      true,
      ['PILOTFISH_WEIGHT: has no effect without an own service (PILOTFISH_SERVICE)'],
    ]);
  });
});

describe('defaults that depend on the registry', () => {
  it.each([
    [{ PILOTFISH_REGISTRY: 'file' }, '127.0.0.1', '127.0.0.1', true],
    [{ PILOTFISH_REGISTRY: 'static' }, '0.0.0.0', undefined, true],
  ])('%j', async (env, inbound, advertised, allowLoopback) => {
    const { listeners, service, registry } = await config({ ...SERVICE, ...env });
    expect(listeners.inbound.address).toEqual({ host: inbound, port: 15_006 });
    expect(service?.advertise).toEqual({ host: advertised, port: undefined });
    expect(registry.allowLoopback).toBe(allowLoopback);
  });

  it('yield to what is written', async () => {
    const { registry } = await configOf('registry: { allowLoopback: false }');
    expect(registry.allowLoopback).toBe(false);
  });
});

describe('which file is read', () => {
  it('is the one of -c, before PILOTFISH_CONFIG', async () => {
    const [given, other] = [fileWith('log: { level: warn }'), fileWith('log: { level: error }')];
    const loaded = await loadConfig({ file: given, env: { PILOTFISH_CONFIG: other } });
    expect(loaded.ok && [loaded.file, loaded.config.log.level]).toEqual([given, 'warn']);
  });

  it('is that of PILOTFISH_CONFIG otherwise', async () => {
    const file = fileWith('log: { level: error }');
    const loaded = await loadConfig({ env: { PILOTFISH_CONFIG: file } });
    expect(loaded.ok && [loaded.file, loaded.config.log.level]).toEqual([file, 'error']);
  });

  it('may be none at all', async () => {
    const loaded = await loadConfig({ env: {} });
    expect([loaded.ok, loaded.file]).toEqual([true, undefined]);
  });

  it('has to be there when it was named', async () => {
    const loaded = await loadConfig({ env: { PILOTFISH_CONFIG: 'no-such.yaml' } });
    expect(loaded.ok ? [] : loaded.problems.map(problemText)).toEqual([
      'PILOTFISH_CONFIG: found no file no-such.yaml, expected a readable YAML file',
    ]);
  });

  it('has to be readable', async () => {
    const loaded = await loadConfig({ file: '.', env: {} });
    expect(loaded.ok ? '' : problemText(loaded.problems[0]!)).toMatch(/^\.: found \., unreadable \(EISDIR/);
  });
});
