import { afterEach, describe, expect, it } from 'vitest';
import type { ClientConnection } from '../../../src/http/exchange.ts';
import { ProxyError } from '../../../src/errors.ts';
import type { Reuse } from '../../../src/upstream/idle-connections.ts';
import { Pool, type ConnectionWaiter } from '../../../src/upstream/pool.ts';
import { UPSTREAM_DEFAULTS, type ConnectOptions, type LimitOptions } from '../../../src/upstream/options.ts';
import { UpstreamLoad } from '../../../src/upstream/upstream-load.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, makeRequest, optionsWith, turns, type FakeConnection } from './fakes.ts';

const TARGET = { host: '10.0.0.1', port: 80, address: '10.0.0.1:80' };
const IGNORE = {
  onInformational: () => undefined,
  onResponse: () => undefined,
  onFailed: () => undefined,
  onEnd: () => undefined,
};

class Waiter implements ConnectionWaiter {
  connection: ClientConnection | undefined = undefined;
  error: ProxyError | undefined = undefined;

  onConnection(connection: ClientConnection): void {
    this.connection = connection;
  }

  onConnectFailed(error: ProxyError): void {
    this.error = error;
  }
}

describe('a pool', () => {
  let clock = new FakeClock();
  let network = new FakeNetwork(clock);
  let counts = new UpstreamLoad('orders', UPSTREAM_DEFAULTS.limits);

  function makePool(connect: Partial<ConnectOptions> = {}, limits: Partial<LimitOptions> = {}): Pool {
    clock = new FakeClock();
    network = new FakeNetwork(clock);
    const options = optionsWith({ connect: { ...UPSTREAM_DEFAULTS.connect, ...connect } });
    counts = new UpstreamLoad('orders', { ...UPSTREAM_DEFAULTS.limits, ...limits });
    return new Pool(clock, network.connect, TARGET, options, counts);
  }

  /** Takes a connection, dialled if need be, and sends a request on it. */
  async function use(pool: Pool, reuse: Reuse = 'any'): Promise<FakeConnection> {
    const waiter = new Waiter();
    const connection = pool.acquire(waiter, reuse, clock.now());
    await turns();
    const got = (connection ?? waiter.connection) as FakeConnection | undefined;
    if (got === undefined) throw waiter.error ?? new Error('no connection');
    const request = makeRequest();
    got.send(request, request.body, IGNORE);
    return got;
  }

  function answer(connection: FakeConnection): void {
    connection.exchange?.answer();
  }

  let pool: Pool | undefined;
  afterEach(() => {
    pool?.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over'));
    expect(clock.timers).toBe(0);
    expect(network.open.length).toBe(0);
    expect([counts.open, counts.dialing, counts.pending]).toEqual([0, 0, 0]);
  });

  it('lets an endpoint that has no connection have one beyond the limit of its upstream, and no more', async () => {
    pool = makePool({}, { connections: 1 });
    counts.open = 1; // of another endpoint
    const first = await use(pool);
    const waiter = new Waiter();
    pool.acquire(waiter, 'any', clock.now());
    await turns();
    expect([network.dials, waiter.connection]).toEqual([1, undefined]);
    answer(first);
    expect(waiter.connection).toBe(first);
    counts.open = 1;
  });

  it('makes a connection for who waits, once the limit of its upstream has room again', async () => {
    pool = makePool({}, { connections: 2 });
    const other = new Pool(clock, network.connect, { ...TARGET, address: '10.0.0.2:80' }, optionsWith({}), counts);
    const busy = await use(pool);
    const elsewhere = await use(other);
    const waiter = new Waiter();
    pool.acquire(waiter, 'any', clock.now());
    await turns();
    expect([network.dials, waiter.connection]).toEqual([2, undefined]);
    elsewhere.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'gone'));
    await turns();
    expect(network.dials).toBe(3);
    expect(waiter.connection).not.toBe(undefined);
    expect(waiter.connection).not.toBe(busy);
    other.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over'));
  });

  it('refuses at once what would wait beyond the limit of its upstream, and that is not tried elsewhere', () => {
    pool = makePool({}, { pending: 1 });
    network.isPatient = true;
    pool.acquire(new Waiter(), 'any', clock.now());
    const tooMany = new Waiter();
    pool.acquire(tooMany, 'any', clock.now());
    expect(tooMany.error).toMatchObject({ code: 'PF_OVERFLOW', requestSent: undefined });
    expect(counts.overflows.pending).toBe(1);
    network.settleDials();
  });

  it('uses the connection that was released last, at once', async () => {
    pool = makePool();
    const [a, b] = [await use(pool), await use(pool)];
    answer(a);
    answer(b);
    expect(pool.acquire(new Waiter(), 'any', clock.now())).toBe(b);
    expect(network.dials).toBe(2);
  });

  it('passes over connections that the peer has closed', async () => {
    pool = makePool();
    const [a, b] = [await use(pool), await use(pool)];
    answer(a);
    answer(b);
    b.isUsable = false;
    expect(pool.acquire(new Waiter(), 'any', clock.now())).toBe(a);
    expect(b.isOpen).toBe(false);
  });

  it('closes idle connections after the idle timeout, the one used last later', async () => {
    pool = makePool({ idleTimeoutMs: 4_000 });
    const [a, b] = [await use(pool), await use(pool)];
    answer(a);
    await clock.advance(3_000);
    answer(b);
    await clock.advance(1_500);
    expect([a.isOpen, b.isOpen]).toEqual([false, true]);
    await clock.advance(3_000);
    expect(network.open).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('never uses a connection twice where maxIdle is 0, also for one that waits', async () => {
    pool = makePool({ maxIdle: 0, max: 1 });
    const first = await use(pool);
    const waiter = new Waiter();
    expect(pool.acquire(waiter, 'any', clock.now())).toBeUndefined();
    answer(first);
    expect(first.isOpen).toBe(false);
    await turns();
    expect(waiter.connection).not.toBe(first);
    expect(waiter.connection?.used).toBe(0);
  });

  it('keeps no more than maxIdle', async () => {
    pool = makePool({ maxIdle: 2 });
    const used = [await use(pool), await use(pool), await use(pool)];
    used.forEach(answer);
    expect(network.open).toHaveLength(2);
  });

  it('makes requests beyond max wait, the longest first', async () => {
    pool = makePool({ max: 1 });
    const first = await use(pool);
    const [second, third] = [new Waiter(), new Waiter()];
    pool.acquire(second, 'any', clock.now());
    pool.acquire(third, 'any', clock.now());
    answer(first);
    expect(second.connection).toBe(first);
    expect(third.connection).toBeUndefined();
    expect(network.dials).toBe(1);
  });

  it('refuses with PF_OVERFLOW, nothing sent, once as many wait as there may be connections', async () => {
    pool = makePool({ max: 1 });
    await use(pool);
    pool.acquire(new Waiter(), 'any', clock.now());
    const tooMany = new Waiter();
    pool.acquire(tooMany, 'any', clock.now());
    expect(tooMany.error).toMatchObject({ code: 'PF_OVERFLOW', requestSent: false, endpoint: '10.0.0.1:80' });
  });

  it('gives a released connection to who waits for a dial, and keeps the dialled one', async () => {
    pool = makePool();
    const first = await use(pool);
    network.isPatient = true;
    const waiter = new Waiter();
    pool.acquire(waiter, 'any', clock.now());
    answer(first);
    expect(waiter.connection).toBe(first);
    network.settleDials();
    expect(pool.describe()).toEqual({ open: 2, idle: 1, dialing: 0, waiting: 0 });
  });

  it('gives who needs a fresh connection none that was used, and makes room for it', async () => {
    pool = makePool({ max: 1 });
    const first = await use(pool);
    answer(first);
    const second = await use(pool, 'fresh');
    expect(second).not.toBe(first);
    expect(second.used).toBe(1);
    expect(first.isOpen).toBe(false);
  });

  it('does not give who needs a fresh one a connection that is released meanwhile', async () => {
    pool = makePool();
    const first = await use(pool);
    network.isPatient = true;
    const waiter = new Waiter();
    pool.acquire(waiter, 'fresh', clock.now());
    answer(first);
    expect(waiter.connection).toBeUndefined();
    network.settleDials();
    expect(waiter.connection?.used).toBe(0);
  });

  it('fails the one that waits longest when a dial fails', async () => {
    pool = makePool();
    network.isPatient = true;
    network.refusing.add(TARGET.address);
    const [a, b] = [new Waiter(), new Waiter()];
    pool.acquire(a, 'any', clock.now());
    pool.acquire(b, 'any', clock.now());
    network.settleDials();
    expect([a.error?.code, b.error?.code]).toEqual(['PF_CONNECT_FAILED', 'PF_CONNECT_FAILED']);
    expect(pool.describe()).toEqual({ open: 0, idle: 0, dialing: 0, waiting: 0 });
  });

  it('keeps the connection of a dial whose waiter gave up', async () => {
    pool = makePool();
    const waiter = new Waiter();
    pool.acquire(waiter, 'any', clock.now());
    pool.abandon(waiter);
    await turns();
    expect(waiter.connection).toBeUndefined();
    expect(pool.describe()).toMatchObject({ open: 1, idle: 1 });
  });

  it('dials again for those that wait when a connection breaks at the limit', async () => {
    pool = makePool({ max: 1 });
    const first = await use(pool);
    const waiter = new Waiter();
    pool.acquire(waiter, 'any', clock.now());
    first.exchange?.reset();
    await turns();
    expect(waiter.connection).toBeDefined();
  });

  it('closes: idle connections now, busy ones with their exchange, dials when they succeed', async () => {
    pool = makePool();
    const [busy, idle] = [await use(pool), await use(pool)];
    answer(idle);
    network.isPatient = true;
    const waiter = new Waiter();
    pool.acquire(waiter, 'fresh', clock.now());
    pool.close();
    expect([idle.isOpen, busy.isOpen]).toEqual([false, true]);
    expect(waiter.error?.code).toBe('PF_OVERFLOW');
    network.settleDials();
    expect(network.open).toEqual([busy]);
    answer(busy);
  });

  it('keeps away from the age at which the peer closes idle connections, once that is a habit', async () => {
    pool = makePool();
    for (let round = 0; round < 3; round++) {
      const connection = await use(pool, 'fresh');
      answer(connection);
      await clock.advance(10);
      connection.shut();
      await clock.advance(1_000);
    }
    expect(pool.describe()).toMatchObject({ closesIdleAfterMs: 10 });
    const connection = await use(pool);
    answer(connection);
    await clock.advance(8);
    expect(pool.acquire(new Waiter(), 'any', clock.now())).toBeUndefined();
    await turns();
    connection.shut();
    answer(await use(pool));
    await clock.advance(5);
    expect(pool.acquire(new Waiter(), 'any', clock.now())).toBeDefined();
    expect(counts.closed.peer).toBe(4);
  });

  it('uses connections of any age again when one outlives the others', async () => {
    pool = makePool({ idleTimeoutMs: 4_000 });
    for (let round = 0; round < 3; round++) {
      const connection = await use(pool, 'fresh');
      answer(connection);
      await clock.advance(10);
      connection.shut();
      await clock.advance(1_000);
    }
    answer(await use(pool));
    await clock.advance(4_500);
    expect(pool.describe()).not.toHaveProperty('closesIdleAfterMs');
    expect(counts.closed).toMatchObject({ peer: 3, 'idle-timeout': 1 });
  });

  it('takes for what cannot be repeated only connections younger than one that was seen open', async () => {
    pool = makePool();
    answer(await use(pool));
    await clock.advance(100);
    const second = await use(pool, 'proven');
    expect(network.dials).toBe(2);
    answer(second);
    await turns();
    await clock.advance(20);
    expect(pool.acquire(new Waiter(), 'proven', clock.now())).toBe(second);
  });

  it('makes room at the limit for who may not use what was just released', async () => {
    pool = makePool({ max: 1 });
    const first = await use(pool);
    const waiter = new Waiter();
    pool.acquire(waiter, 'proven', clock.now());
    answer(first);
    await turns();
    expect(first.isOpen).toBe(false);
    expect(waiter.connection?.used).toBe(0);
  });

  it('gives what was just released to who cannot repeat, where the peer is known to keep connections', async () => {
    pool = makePool({ max: 2 });
    const first = await use(pool);
    answer(first);
    await clock.advance(100);
    const second = await use(pool, 'proven');
    await use(pool);
    const waiter = new Waiter();
    pool.acquire(waiter, 'proven', clock.now());
    answer(second);
    expect(waiter.connection).toBe(second);
  });

  it('forgets what it saw of a peer that refuses connections', async () => {
    pool = makePool();
    for (let round = 0; round < 3; round++) {
      const connection = await use(pool, 'fresh');
      answer(connection);
      await clock.advance(10);
      connection.shut();
      await clock.advance(1_000);
    }
    network.refusing.add(TARGET.address);
    await expect(use(pool)).rejects.toMatchObject({ code: 'PF_CONNECT_FAILED' });
    expect(pool.describe()).not.toHaveProperty('closesIdleAfterMs');
  });

  it('ends a connection with its exchange once it is maxAge old, give or take a tenth', async () => {
    pool = makePool({ maxAgeMs: 10_000 });
    const young = await use(pool);
    await clock.advance(8_900);
    answer(young);
    expect(young.isOpen).toBe(true);
    const old = await use(pool);
    expect(old).toBe(young);
    await clock.advance(2_200);
    answer(old);
    expect(old.isOpen).toBe(false);
    expect(counts.closed['max-age']).toBe(1);
  });

  it('makes room for a connection that was just used by closing the one idle for longest', async () => {
    pool = makePool({ maxIdle: 1 });
    const [first, second] = [await use(pool), await use(pool)];
    answer(first);
    answer(second);
    expect([first.isOpen, second.isOpen]).toEqual([false, true]);
    expect(counts).toMatchObject({ open: 1, opened: 2 });
  });

  it('tells whether a connection can be opened', async () => {
    pool = makePool();
    const verdicts: (string | undefined)[] = [];
    pool.probe((error) => verdicts.push(error?.code));
    await turns();
    network.refusing.add(TARGET.address);
    pool.probe((error) => verdicts.push(error?.code));
    await turns();
    expect(verdicts).toEqual([undefined, 'PF_CONNECT_FAILED']);
    expect(pool.describe()).toEqual({ open: 1, idle: 1, dialing: 0, waiting: 0 });
  });
});
