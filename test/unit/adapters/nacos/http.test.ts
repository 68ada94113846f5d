// The drivers over HTTP against the APIs of versions that cannot be had here, spoken by a stand-in.
import { afterEach, describe, expect, test } from 'vitest';
import { createNacosAdapter, openNacosAdapter } from '../../../../adapters/nacos/nacos.ts';
import type { NacosDriverName, NacosOptions } from '../../../../adapters/nacos/options.ts';
import type { Registry, RegistryEvent } from '../../../../src/registry/registry.ts';
import { RegistryError, serviceKey, type ServiceInstance } from '../../../../src/registry/types.ts';
import { FaultProxy } from '../../../support/fault-proxy.ts';
import { until } from '../../../support/until.ts';
import { NacosHttpStandIn } from './http-stand-in.ts';

const KEY = serviceKey('orders');
const NAME = 'DEFAULT_GROUP@@orders';
const PASSWORD = 'planted-Secret-0f-nacos';
const own: ServiceInstance = {
  key: KEY,
  id: 'a',
  host: '10.0.0.1',
  port: 80,
  protocol: 'http',
  weight: 0,
  tags: ['t'],
  metadata: { k: 'v' },
  health: 'passing',
  enabled: true,
};

const toClose: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of toClose.splice(0).reverse()) await one.close();
});

async function serverWith(...apis: ('v1' | 'v2' | 'v3')[]): Promise<NacosHttpStandIn> {
  const server = new NacosHttpStandIn(...apis);
  await server.start();
  toClose.push(server);
  return server;
}

function open(
  server: NacosHttpStandIn,
  driver: NacosDriverName,
  options: NacosOptions = {},
  onEvent: (event: RegistryEvent) => void = () => undefined,
): Registry {
  const endpoints = [`127.0.0.1:${server.port}`];
  const registry = createNacosAdapter({ endpoints, driver, ...options }, { ttlMs: 1_500, onEvent }, {});
  toClose.push(registry);
  return registry;
}

const read = async (registry: Registry): Promise<readonly ServiceInstance[]> =>
  (await registry.read(KEY, AbortSignal.timeout(3_000))).instances;
const places = (server: NacosHttpStandIn): string => [...server.of(NAME).keys()].join();

describe.each([
  { version: '3.2: v3 alone', apis: ['v3'], absent: 404, driver: 'http' },
  { version: '3.1: v3, v2 switched off', apis: ['v3', 'v1'], absent: 410, driver: 'http' },
  { version: '2.5: v2', apis: ['v2', 'v1'], absent: 404, driver: 'http' },
  { version: '1.x: v1 alone', apis: ['v1'], absent: 404, driver: 'legacy' },
] as const)('$version', ({ apis, absent, driver }) => {
  test('registered, read, kept by beats, written again where it is forgotten, taken away', async () => {
    const server = await serverWith(...apis);
    server.absentStatus = absent;
    server.token = 'the-token';
    const registry = open(server, driver, { username: 'u', password: PASSWORD });
    const handle = registry.register({ instance: own, ttlMs: 1_500 });
    await handle.registered(AbortSignal.timeout(5_000));
    expect(await read(registry)).toEqual([{ ...own, owner: handle.instance.owner }]);
    server.services.clear();
    await until('it is written again', () => places(server) === '10.0.0.1:80');
    expect(await handle.deregister({ deadlineMs: 3_000, settleMs: 10 })).toBe('removed');
    expect(await read(registry)).toEqual([]);
    expect(server.requests.filter(({ query }) => query.includes(PASSWORD) || query.includes('the-token'))).toEqual([]);
    expect(server.requests.filter(({ body }) => body.includes(PASSWORD)).map(({ path }) => path)).toEqual(
      server.requests.filter(({ path }) => path.endsWith('/login')).map(({ path }) => path),
    );
  });

  test.each([403, 404, 410, 500, 503])('status %d is never an empty list', async (status) => {
    const server = await serverWith(...apis);
    const registry = open(server, driver);
    expect(await read(registry)).toEqual([]);
    server.broken = { status, text: '[]' };
    await expect(read(registry)).rejects.toBeInstanceOf(RegistryError);
  });

  test('an answer that is none is never an empty list', async () => {
    const server = await serverWith(...apis);
    const registry = open(server, driver);
    expect(await read(registry)).toEqual([]);
    server.broken = { status: 200, text: '<html>' };
    await expect(read(registry)).rejects.toMatchObject({ kind: 'protocol' });
  });
});

describe('driver legacy', () => {
  test('is refused at the start where the server says that it has no API v1', async () => {
    const server = await serverWith('v3');
    const options: NacosOptions = { endpoints: [`127.0.0.1:${server.port}`], driver: 'legacy' };
    await expect(openNacosAdapter(options)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  test('is opened where the server is away', async () => {
    const registry = await openNacosAdapter({ endpoints: ['127.0.0.1:1'], driver: 'legacy' });
    await registry.close();
  });

  test('opens no UDP port', async () => {
    const server = await serverWith('v1');
    const registry = open(server, 'legacy');
    await read(registry);
    expect(process.getActiveResourcesInfo().filter((name) => name.includes('UDP'))).toEqual([]);
  });
});

describe('driver auto', () => {
  const choices = (events: readonly RegistryEvent[]): unknown[] =>
    events.flatMap((event) => (event.kind === 'driver' ? [[event.name, event.reason?.kind]] : []));

  test.each([
    { apis: ['v2'], driver: 'http' },
    { apis: ['v1'], driver: 'legacy' },
  ] as const)(
    'takes $driver where the server has nothing better, once, and says so',
    async ({ apis, driver }) => {
      const server = await serverWith(...apis);
      const events: RegistryEvent[] = [];
      // gRPC's port takes connections and says nothing, as behind many a firewall.
      const silent = await FaultProxy.start({ host: '127.0.0.1', port: server.port });
      toClose.push(silent);
      silent.blackHole();
      const grpcPortOffset = silent.port - server.port;
      const registry = open(server, 'auto', { grpcPortOffset }, (event) => void events.push(event));
      const handle = registry.register({ instance: own, ttlMs: 1_500 });
      await handle.registered(AbortSignal.timeout(15_000));
      expect(await read(registry)).toHaveLength(1);
      expect(choices(events)).toEqual([[driver, 'timeout']]);
    },
    30_000,
  );
});
