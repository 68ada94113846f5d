import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { RegistryError, serviceKey, type ServiceKey, type WatchOptions } from '../../../src/registry/types.ts';
import { callUpstream } from '../../../src/resilience/call.ts';
import { describeUpstream, upstreamFacts } from '../../../src/upstream/describe.ts';
import { UPSTREAM_DEFAULTS } from '../../../src/upstream/options.ts';
import { Upstreams, type NamedUpstream } from '../../../src/upstream/upstreams.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, instance, makeRequest, turns, viewOf } from './fakes.ts';

let clock: FakeClock;
let network: FakeNetwork;
let upstreams: Upstreams;
/** Open watches by service, and all that were ever opened. */
let watches: Map<string, WatchOptions>;
let watched: ServiceKey[];

function open(configured: readonly NamedUpstream[] = []): void {
  const deadlines = new DeadlineLists(clock);
  upstreams = new Upstreams({
    clock,
    connect: network.connect,
    watch: (key, options) => {
      if (key.service.length > 200) throw new RegistryError('invalid', 'too long');
      watches.set(key.service, options);
      watched.push(key);
      const close = (): void => void watches.delete(key.service);
      return { stalenessMs: 0, lastError: undefined, probeFailed: () => undefined, close };
    },
    configured,
    defaults: UPSTREAM_DEFAULTS,
    call: (upstream) => callUpstream(upstream, { clock, deadlines }),
  });
}

function give(service: string, count: number): void {
  watches.get(service)?.onView?.(viewOf(Array.from({ length: count }, (_, n) => instance(n + 1))));
  watches.get(service)?.onState?.('live');
}

async function call(name: string): Promise<{ readonly result: number | string; readonly label: string }> {
  const request = makeRequest('GET', undefined, clock.now());
  const ended = upstreams.handle(name, request).then(
    (response) => response.status,
    (error: unknown) => (error instanceof ProxyError ? error.code : String(error)),
  );
  await clock.advance(0);
  await turns();
  if (watches.has(name) && upstreams.get(name)?.upstream.view === undefined) await clock.advance(1_000);
  return { result: await ended, label: request.upstream };
}

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork(clock);
  network.onSent = (exchange) => exchange.answer();
  watches = new Map();
  watched = [];
});

afterEach(async () => {
  upstreams.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over'));
  await clock.advance(60_000);
  expect(watches.size).toBe(0);
  expect(clock.timers).toBe(0);
});

describe('upstreams', () => {
  it('watches what is configured from the start, under the key that is configured', async () => {
    const key = serviceKey('payments-v2', 'prod', 'eu');
    open([{ ...UPSTREAM_DEFAULTS, name: 'payments', key }]);
    expect(watched).toEqual([key]);
    give('payments-v2', 1);
    expect(await call('payments')).toEqual({ result: 200, label: 'payments' });
    expect(network.exchanges[0]?.request.headers.get('x-pilotfish-to')).toBe('payments-v2');
  });

  it('watches others from the first call on, which waits for the list', async () => {
    open();
    const request = makeRequest('GET', undefined, clock.now());
    const ended = upstreams.handle('orders', request);
    expect(request.upstream).toBe('unknown');
    await clock.advance(300);
    give('orders', 1);
    expect((await ended).status).toBe(200);
    expect(request.upstream).toBe('orders');
    expect(await call('orders')).toEqual({ result: 200, label: 'orders' });
    expect(watched).toHaveLength(1);
  });

  it('never labels a request with a name that the registry has not confirmed', async () => {
    open();
    const first = call('invented');
    give('invented', 0);
    expect(await first).toEqual({ result: 'PF_NO_ROUTE', label: 'unknown' });
    expect(await call('x'.repeat(250))).toEqual({ result: 'PF_NO_ROUTE', label: 'unknown' });
  });

  it('closes a watch on demand after ten idle minutes, and remembers that the service exists', async () => {
    open([{ ...UPSTREAM_DEFAULTS, name: 'payments', key: serviceKey('payments') }]);
    const first = call('orders');
    give('orders', 1);
    await first;
    await clock.advance(9 * 60_000);
    expect(watches.has('orders')).toBe(true);
    await call('orders');
    await clock.advance(9 * 60_000);
    expect(watches.has('orders')).toBe(true);
    await clock.advance(2 * 60_000);
    expect([...watches.keys()]).toEqual(['payments']);
    const again = call('orders');
    give('orders', 0);
    expect(await again).toEqual({ result: 'PF_NO_ENDPOINT', label: 'orders' });
  });

  it('has at most 1,000 watches on demand: invented names go first', async () => {
    open();
    const first = call('orders');
    give('orders', 1);
    await first;
    for (let n = 0; n < 1_500; n++) {
      const answer = upstreams
        .handle(`invented-${n}`, makeRequest('GET', undefined, clock.now()))
        .catch(() => undefined);
      give(`invented-${n}`, 0);
      await answer;
    }
    expect(watches.size).toBe(1_000);
    expect(watches.has('orders')).toBe(true);
    expect((await call('orders')).result).toBe(200);
  });

  it('refuses with PF_OVERFLOW where all of them wait', async () => {
    open();
    const answers = Array.from({ length: 1_001 }, (_, n) =>
      upstreams.handle(`s${n}`, makeRequest('GET', undefined, clock.now())).catch((error: unknown) => error),
    );
    expect(await answers[1_000]).toMatchObject({ code: 'PF_OVERFLOW' });
    expect(watches.size).toBe(1_000);
    await clock.advance(1_000);
  });

  it('takes nothing new on demand once closed', async () => {
    open();
    upstreams.close();
    expect((await call('orders')).result).toBe('PF_DRAINING');
  });

  it('describes itself in plain values', async () => {
    open();
    const first = call('orders');
    give('orders', 2);
    await first;
    const entry = upstreams.get('orders');
    if (entry === undefined) throw new Error('not open');
    const described = describeUpstream(entry, clock.now());
    expect(JSON.parse(JSON.stringify(described))).toEqual(described);
    expect(described).toMatchObject({
      name: 'orders',
      service: 'orders',
      state: 'live',
      origin: 'live',
      balancer: 'least-request',
      isConfigured: false,
      panic: 'none',
      queued: 0,
      retryBudgetRatio: 1,
      attempts: { success: 1 },
    });
    expect(described.endpoints.map(({ id, state, why }) => [id, state, why])).toEqual([
      ['orders-1', 'available', 'picked'],
      ['orders-2', 'available', 'picked'],
    ]);
    expect(upstreamFacts(entry, clock.now())).toEqual({
      name: 'orders',
      endpoints: { available: 2 },
      isPanicking: false,
      breaker: 'closed',
      retryBudgetRatio: 1,
      stalenessMs: 0,
      inFlight: 0,
      connections: upstreams.get('orders')?.upstream.load,
    });
  });
});
