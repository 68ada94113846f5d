import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openRegistry } from '../../../../adapters/index.ts';
import type { Registry, RegistryContext } from '../../../../src/registry/registry.ts';
import { serviceKey, type Watch } from '../../../../src/registry/types.ts';
import { NameServer } from '../../../support/name-server.ts';
import { until } from '../../../support/until.ts';

const ORDERS = serviceKey('orders');
const signal = (): AbortSignal => AbortSignal.timeout(8_000);

let server: NameServer;
let opened: Registry[];

beforeEach(async () => {
  server = await NameServer.start();
  opened = [];
});

afterEach(async () => {
  for (const registry of opened) await registry.close();
  server.close();
});

async function open(options: object, context: RegistryContext = {}): Promise<Registry> {
  const registry = await openRegistry({ type: 'dns', options: { servers: [server.address], ...options } }, context);
  opened.push(registry);
  return registry;
}

function ids(watch: Watch): string | undefined {
  return watch.view?.snapshot.instances.map(({ id }) => id).join(' ');
}

describe('addresses', () => {
  test('of both families become instances at the configured port', async () => {
    const six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    server.records.set('orders.example', [
      { type: 'A', address: '10.0.0.1' },
      { type: 'A', address: '10.0.0.2' },
      { type: 'AAAA', address: six },
      { type: 'A', address: '169.254.169.254' },
    ]);
    const registry = await open({ name: '{service}.example', port: 8080 });
    const { instances, rejected } = await registry.read(ORDERS, signal());
    expect(instances).toMatchObject([
      { id: '10.0.0.1:8080', host: '10.0.0.1', port: 8080, weight: 100, health: 'passing', enabled: true },
      { id: '10.0.0.2:8080' },
      { id: '[2001:db8::1]:8080', host: '2001:db8::1' },
    ]);
    expect(rejected).toMatchObject([{ ref: '169.254.169.254:8080' }]);
  });

  test('are asked for again when their TTL is over, at least a second apart', async () => {
    server.records.set('orders', [{ type: 'A', address: '10.0.0.1', ttl: 0 }]);
    const registry = await open({ port: 80 });
    const watch = registry.watch(ORDERS, {});
    await until('first list', () => ids(watch) === '10.0.0.1:80');
    server.records.set('orders', [
      { type: 'A', address: '10.0.0.1', ttl: 60 },
      { type: 'A', address: '10.0.0.2', ttl: 60 },
    ]);
    await until('second list', () => ids(watch) === '10.0.0.1:80 10.0.0.2:80');
    expect(server.asked.filter((question) => question === 'orders 1')).toHaveLength(2);
  });
});

describe('services', () => {
  test('are weighted within the lowest priority; others are listed and wait', async () => {
    server.records.set('_http._tcp.orders.example', [
      { type: 'SRV', target: 'a.example', port: 1001, weight: 3 },
      { type: 'SRV', target: 'b.example', port: 1002, weight: 1 },
      { type: 'SRV', target: 'c.example', port: 1003, priority: 10, weight: 9 },
    ]);
    for (const [n, name] of ['a', 'b', 'c'].entries()) {
      server.records.set(`${name}.example`, [{ type: 'A', address: `10.0.0.${n + 1}` }]);
    }
    const registry = await open({ name: '_http._tcp.{service}.example' });
    expect((await registry.read(ORDERS, signal())).instances).toMatchObject([
      { id: '10.0.0.1:1001', weight: 3, enabled: true },
      { id: '10.0.0.2:1002', weight: 1, enabled: true },
      { id: '10.0.0.3:1003', enabled: false },
    ]);
  });

  test('that are all alike have an ordinary weight; large weights keep their relation', async () => {
    const srv = (weights: readonly number[]) =>
      weights.map((weight, n) => ({ type: 'SRV', target: `t${n}`, port: 80, weight }) as const);
    for (const n of [0, 1]) server.records.set(`t${n}`, [{ type: 'A', address: `10.0.0.${n}` }]);
    const registry = await open({});
    const weights = async (given: readonly number[]): Promise<number[]> => {
      server.records.set('orders', srv(given));
      return (await registry.read(ORDERS, signal())).instances.map(({ weight }) => weight);
    };
    expect(await weights([1, 1])).toEqual([100, 100]);
    expect(await weights([0, 0])).toEqual([100, 100]);
    expect(await weights([60_000, 30_000])).toEqual([1_000, 500]);
    expect(await weights([0, 5])).toEqual([1, 5]);
  });

  test('whose target is "." are decidedly not there', async () => {
    server.records.set('orders', [{ type: 'SRV', target: '.', port: 80 }]);
    const registry = await open({});
    expect((await registry.read(ORDERS, signal())).instances).toEqual([]);
  });
});

describe('failures', () => {
  test('a name that does not exist is a service without instances', async () => {
    const registry = await open({ port: 80 });
    const watch = registry.watch(ORDERS, {});
    await until('an empty list', () => ids(watch) === '');
    expect(watch.state).toBe('live');
  });

  test.each(['servfail', 'refused', 'silent'] as const)(
    'a server that is %s leaves the list as it was',
    async (mode) => {
      server.records.set('orders', [{ type: 'A', address: '10.0.0.1', ttl: 1 }]);
      const registry = await open({ port: 80 });
      const watch = registry.watch(ORDERS, {});
      await until('first list', () => ids(watch) === '10.0.0.1:80');
      server.mode = mode;
      await until('stale', () => watch.state === 'stale');
      expect(ids(watch)).toBe('10.0.0.1:80');
      await expect(registry.read(ORDERS, signal())).rejects.toMatchObject({ name: 'RegistryError' });
      server.mode = 'ok';
      await until('live', () => watch.state === 'live');
    },
  );

  test('a list that becomes empty is held until a second look confirms it', async () => {
    server.records.set('orders', [{ type: 'A', address: '10.0.0.1', ttl: 1 }]);
    const registry = await open({ port: 80 }, { guard: { emptyConfirmMs: 500 } });
    const watch = registry.watch(ORDERS, {});
    await until('first list', () => ids(watch) === '10.0.0.1:80');
    server.records.delete('orders');
    await until('suspect', () => watch.view?.suspects.has('10.0.0.1:80'));
    expect(watch.stats.guarded).toBe(1);
  });

  test('a resolver that answers anything is there; one that is silent is not', async () => {
    const registry = await open({ port: 80 });
    expect(await registry.ping(signal())).toMatchObject({ epoch: 'dns' });
    server.mode = 'refused';
    await registry.ping(signal());
    server.mode = 'silent';
    await expect(registry.ping(signal())).rejects.toMatchObject({ kind: 'timeout' });
  });
});

test('a registration stands as far as anybody can tell; names cannot be listed', async () => {
  const registry = await open({ port: 80 });
  const own = { key: ORDERS, id: 'a', host: '10.0.0.1', port: 1, protocol: 'http', weight: 1 } as const;
  const instance = { ...own, tags: [], metadata: {}, health: 'passing', enabled: true } as const;
  const handle = registry.register({ instance, ttlMs: 10_000 });
  await handle.registered(signal());
  expect(await handle.deregister({ deadlineMs: 1_000 })).toBe('removed');
  await expect(registry.list({}, signal())).rejects.toMatchObject({ kind: 'unsupported' });
});

test.each([
  [{ type: 'a' }],
  [{ port: 0 }],
  [{ port: 80, name: 'orders' }],
  [{ port: 80, name: '{service}..example' }],
  [{ type: 'mx' }],
  [{ servers: ['example.com'] }],
  [{ servers: '10.0.0.1' }],
  [{ suffix: 'x' }],
])('%j is refused', async (options) => {
  await expect(openRegistry({ type: 'dns', options })).rejects.toMatchObject({ kind: 'invalid' });
});

test('a service whose name is no part of a host name is told so', async () => {
  const registry = await open({ port: 80 });
  await expect(registry.read(serviceKey('a b'), signal())).rejects.toMatchObject({ kind: 'invalid' });
});
