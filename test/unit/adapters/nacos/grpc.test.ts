import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createNacosAdapter } from '../../../../adapters/nacos/nacos.ts';
import type { NacosOptions } from '../../../../adapters/nacos/options.ts';
import type { Registry, RegistryContext } from '../../../../src/registry/registry.ts';
import { serviceKey, type ServiceInstance, type Watch } from '../../../../src/registry/types.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { until } from '../../../support/until.ts';
import { NacosStandIn } from './stand-in.ts';

const NAME = 'DEFAULT_GROUP@@orders';
const KEY = serviceKey('orders');
const foreign = (n: number): Record<string, unknown> => ({ ip: `10.0.1.${n}`, port: 80, weight: 1, healthy: true });

let server: NacosStandIn;
let opened: Registry[];

beforeEach(async () => {
  server = new NacosStandIn();
  await server.start();
  opened = [];
});

afterEach(async () => {
  for (const registry of opened) await registry.close();
  await server.close();
});

function open(options: NacosOptions = {}, context: RegistryContext = {}): Registry {
  const registry = createNacosAdapter(
    {
      endpoints: [`127.0.0.1:${server.httpPort}`],
      grpcPortOffset: server.grpcPort - server.httpPort,
      ...options,
    },
    { ttlMs: 1_500, ...context },
    {},
  );
  opened.push(registry);
  return registry;
}

const own = (id: string, port: number): ServiceInstance => ({
  key: KEY,
  id,
  host: '10.0.0.1',
  port,
  protocol: 'http',
  weight: 100,
  tags: [],
  metadata: {},
  health: 'passing',
  enabled: true,
});

const idsOf = (watch: Watch): string => watch.view?.snapshot.instances.map((instance) => instance.id).join() ?? '-';

/** How often this was asked. */
const asked = (type: string): number => server.requests.filter((request) => request.type === type).length;

/** The types of all writes so far, in short. */
const writes = (): unknown[] =>
  server.requests
    .filter(({ type }) => type.endsWith('InstanceRequest'))
    .map(({ fields }) => [fields['type'], ((fields['instances'] as unknown[] | undefined) ?? [1]).length]);

describe('a connection is set up', () => {
  test.each([true, false])('as a server does whose negotiation is %s', async (negotiates) => {
    server.behaviour.negotiates = negotiates;
    const registry = open({ namespace: 'team' });
    const { epoch } = await registry.ping(AbortSignal.timeout(3_000));
    expect(server.connections).toEqual([epoch]);
    expect(server.requests[0]?.fields).toEqual({ tenant: 'team' });
  });

  test('later, where the server is starting', async () => {
    server.behaviour.isStarting = true;
    const registry = open();
    const watch = registry.watch(KEY, {});
    await until('it has been refused', () => watch.lastError !== undefined);
    expect([watch.state, watch.lastError?.kind]).toEqual(['syncing', 'unavailable']);
    server.behaviour.isStarting = false;
    await until('it is live', () => watch.state === 'live');
  });

  test('anew, where the server knows it no more', async () => {
    const registry = open();
    const watch = registry.watch(KEY, {});
    await until('it is live', () => watch.state === 'live');
    const [first] = server.connections;
    server.behaviour.hasForgotten = true;
    await expect(registry.read(KEY, AbortSignal.timeout(1_000))).rejects.toMatchObject({ kind: 'unavailable' });
    server.behaviour.hasForgotten = false;
    await until('another is there', () => server.connections.some((id) => id !== first) && watch.state === 'live');
  });
});

describe('a server that restarts with nothing', () => {
  test('empties no list, gets every record again, and is believed where it still misses one', async () => {
    server.plant(NAME, [foreign(1), foreign(2)]);
    const registry = open({}, { guard: { emptyConfirmMs: 300 } });
    const lengths: number[] = [];
    const watch = registry.watch(KEY, { onView: (view) => lengths.push(view.snapshot.instances.length) });
    const handle = registry.register({ instance: own('me', 1), ttlMs: 6_000 });
    const states: string[] = [];
    handle.onState((state) => states.push(state));
    await until('all are listed', () => idsOf(watch) === '10.0.1.1:80,10.0.1.2:80,me');
    server.stop();
    await until('it is stale', () => watch.state === 'stale');
    await server.start();
    await until('our record is back', () => server.registered(NAME).length === 1);
    await until('live again', () => watch.state === 'live');
    server.push(NAME);
    await until('those who did not come back are suspects', () => watch.view?.suspects.size === 2);
    expect(idsOf(watch)).toBe('10.0.1.1:80,10.0.1.2:80,me');
    expect(Math.min(...lengths.slice(lengths.indexOf(3)))).toBe(3);
    expect(states).toEqual(['registered']);
  });
});

describe('a server that moves its clients', () => {
  test('sees the record on the new connection before the old one ends', async () => {
    const registry = open();
    const handle = registry.register({ instance: own('me', 1), ttlMs: 6_000 });
    await handle.registered(AbortSignal.timeout(3_000));
    const [first = ''] = server.connections;
    let least = Infinity;
    server.tell('ConnectResetRequest', { requestId: '7' }, first);
    await until('the old connection is closed', () => {
      least = Math.min(least, server.registered(NAME).length);
      return server.connections.length === 1 && server.connections[0] !== first;
    });
    expect(least).toBeGreaterThanOrEqual(1);
    expect(server.registered(NAME)).toEqual([{ ip: '10.0.0.1', port: 1, peer: server.connections[0] }]);
    expect(server.answersFromClients).toContain('ConnectResetResponse');
    expect(handle.state).toBe('registered');
  });
});

describe('records of one service', () => {
  test('share the one entry that a connection has', async () => {
    const registry = open();
    const signal = AbortSignal.timeout(5_000);
    const handles = [1, 2, 3].map((port) => registry.register({ instance: own(`i-${port}`, port), ttlMs: 6_000 }));
    for (const handle of handles) await handle.registered(signal);
    expect(server.registered(NAME).map(({ port }) => port)).toEqual([1, 2, 3]);
    await handles[0]?.deregister({ deadlineMs: 2_000, settleMs: 0 });
    await handles[1]?.deregister({ deadlineMs: 2_000, settleMs: 0 });
    expect(writes().at(-1)).toEqual(['registerInstance', 1]);
    await handles[2]?.deregister({ deadlineMs: 2_000, settleMs: 0 });
    expect(writes().at(-1)).toEqual(['deregisterInstance', 1]);
    expect(server.registered(NAME)).toEqual([]);
  });
});

test('a record whose first write is under way when it is deregistered is removed', async () => {
  server.behaviour.swallows.add('InstanceRequest');
  const handle = open().register({ instance: own('me', 1), ttlMs: 6_000 });
  await until('it is written', () => server.registered(NAME).length === 1);
  server.behaviour.swallows.clear();
  const leaving = handle.deregister({ deadlineMs: 2_000, settleMs: 0 });
  server.answerLate();
  expect(await leaving).toBe('removed');
  expect(server.registered(NAME)).toEqual([]);
});

describe('a token', () => {
  const user = { username: 'u', password: 'p' };

  test.each(['/nacos/v3/auth/user/login', '/nacos/v1/auth/login', '/nacos/v1/auth/users/login'])(
    'comes from %s, and anew when it is refused',
    async (loginPath) => {
      server.behaviour.loginPath = loginPath;
      const registry = open(user);
      const watch = registry.watch(KEY, {});
      await until('it is live', () => watch.state === 'live');
      expect(server.logins).toBe(1);
      server.behaviour.tokens.clear();
      server.behaviour.tokens.add('another');
      await registry.read(KEY, AbortSignal.timeout(3_000));
      expect(server.logins).toBe(2);
      expect(watch.state).toBe('live');
    },
  );

  test('that is missing makes a denied watch', async () => {
    server.behaviour.tokens.add('some');
    const watch = open().watch(KEY, {});
    await until('it is denied', () => watch.state === 'denied');
    expect(watch.lastError?.kind).toBe('forbidden');
  });
});

describe('a push', () => {
  test('of another service, of an older list or without sense changes nothing', async () => {
    server.plant(NAME, [foreign(1)]);
    const registry = open();
    const watch = registry.watch(KEY, {});
    await until('it is listed', () => idsOf(watch) === '10.0.1.1:80');
    const { readings } = watch.stats;
    const info = { ...server.info(NAME), hosts: [] };
    server.tell('NotifySubscriberRequest', { serviceInfo: { ...info, name: 'others' } });
    server.tell('NotifySubscriberRequest', { serviceInfo: { ...info, lastRefTime: 1 } });
    server.tell('NotifySubscriberRequest', {});
    server.tell('NoSuchRequest', { a: 1 });
    const isAnswered = (): boolean => server.answersFromClients.includes('NoSuchResponse');
    await until('all were taken', isAnswered);
    expect([idsOf(watch), watch.stats.readings, watch.state]).toEqual(['10.0.1.1:80', readings, 'live']);
    server.plant(NAME, [foreign(1), foreign(2)]);
    await until('the next true one is believed', () => idsOf(watch) === '10.0.1.1:80,10.0.1.2:80');
  });

  test('under the protection threshold calls nobody healthy', async () => {
    server.behaviour.isProtecting = true;
    server.plant(NAME, [foreign(1)]);
    const watch = open().watch(KEY, {});
    await until('it is listed', () => watch.view?.snapshot.instances.length === 1);
    expect(watch.view?.snapshot.instances[0]?.health).toBe('unknown');
  });
});

test('a server that answers no checks is left within 15 s', { timeout: 30_000 }, async () => {
  const registry = open();
  const watch = registry.watch(KEY, {});
  await until('it is live', () => watch.state === 'live');
  server.behaviour.isDeaf = true;
  await until('it is stale', () => watch.state === 'stale', { withinMs: 15_000 });
});

describe('a server that answers its checks, but not', () => {
  /** Lets time pass until then, at most 15 s at a pace at which checks are answered. */
  const passing = async (clock: FakeClock, condition: () => boolean): Promise<void> => {
    const endMs = clock.now() + 15_000;
    const step = async (): Promise<boolean> => {
      if (condition() || clock.now() >= endMs) return true;
      await clock.advance(500);
      return false;
    };
    await until('that or 15 s', step, { everyMs: 50 });
  };

  test('a subscription, is told as a timeout, and asked again', async () => {
    server.behaviour.swallows.add('SubscribeServiceRequest');
    const clock = new FakeClock();
    const watch = open({}, { clock }).watch(KEY, {});
    await until('it is asked', () => asked('SubscribeServiceRequest') === 1);
    await passing(clock, () => watch.lastError !== undefined);
    expect([watch.state, watch.lastError?.kind]).toEqual(['syncing', 'timeout']);
    server.behaviour.swallows.clear();
    await clock.advance(4_000);
    await until('it is live', () => watch.state === 'live');
  });

  test('a later question, makes the watch stale', async () => {
    server.behaviour.swallows.add('ServiceQueryRequest');
    const clock = new FakeClock();
    const told: unknown[] = [];
    const onState = (state: string, reason?: { readonly kind: string }): void => void told.push([state, reason?.kind]);
    const watch = open({}, { clock }).watch(KEY, { onState });
    await until('it is live', () => watch.state === 'live');
    const before = server.connections;
    await passing(clock, () => asked('ServiceQueryRequest') === 1);
    expect(watch.state).toBe('live');
    await passing(clock, () => told.length > 1);
    expect(told.slice(0, 2)).toEqual([
      ['live', undefined],
      ['stale', 'timeout'],
    ]);
    expect(server.connections).toEqual(before);
  });
});

test('services are listed by group', async () => {
  const keys = await open().list({}, AbortSignal.timeout(3_000));
  expect(keys.map(({ service }) => service)).toEqual(['b', 'orders']);
});
