import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callUpstream } from '../../../src/resilience/call.ts';
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS, turns } from './fakes.ts';

let clock: FakeClock;
let network: FakeNetwork;
let watch: FakeWatch;
let upstream: Upstream;

function open(minIdle: number, options: Partial<UpstreamOptions> = {}): void {
  const connect = { ...UPSTREAM_DEFAULTS.connect, ...options.connect, minIdle };
  const identity = { name: 'orders', key: ORDERS, options: optionsWith({ ...options, connect }), isKnown: true };
  upstream = new Upstream(identity, { clock, connect: network.connect, watch: watch.service });
}

function instances(count: number): ReturnType<typeof instance>[] {
  return Array.from({ length: count }, (_, index) => instance(index + 1));
}

/** Open connections by endpoint. */
function openTo(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { target } of network.open) counts[target.host] = (counts[target.host] ?? 0) + 1;
  return counts;
}

async function pass(ms: number): Promise<void> {
  await clock.advance(ms);
  await turns();
}

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork(clock);
  watch = new FakeWatch();
});

afterEach(() => {
  upstream.close();
  expect(network.open).toEqual([]);
  expect(clock.timers).toBe(0);
});

describe('connections that are made before they are needed', () => {
  it('are none unless configuration asks for some', async () => {
    open(0);
    watch.give(instances(3));
    await pass(10_000);
    expect(network.dials).toBe(0);
  });

  it('are there for each endpoint, for new ones too, and are replaced where one is used or closed', async () => {
    open(2);
    watch.give(instances(2));
    await turns();
    expect(openTo()).toEqual({ '10.0.0.1': 2, '10.0.0.2': 2 });
    watch.give(instances(3));
    await turns();
    expect(openTo()).toEqual({ '10.0.0.1': 2, '10.0.0.2': 2, '10.0.0.3': 2 });
    const { handle } = callUpstream(upstream, { clock, deadlines: new DeadlineLists(clock) });
    const answered = handle(makeRequest('GET', undefined, clock.now()));
    await turns();
    expect(network.dials).toBe(6);
    await pass(250);
    expect(network.dials).toBe(7);
    network.exchanges[0]?.answer();
    expect((await answered).status).toBe(200);
    network.open[0]?.shut();
    network.open[0]?.shut();
    await pass(250);
    expect(Object.values(openTo()).every((count) => count >= 2)).toBe(true);
    await pass(20_000); // the deadlines of the request, too
  });

  it('are renewed when they have been idle for too long', async () => {
    open(1);
    watch.give(instances(1));
    await turns();
    const [first] = network.open;
    await pass(4_500);
    expect(network.open).toHaveLength(1);
    expect(network.open[0]).not.toBe(first);
  });

  it('are tried ever more seldom where they cannot be made, and nobody is blamed', async () => {
    network.refusing.add('10.0.0.1:80');
    open(1);
    watch.give(instances(2));
    const dialsWithin = async (ms: number): Promise<number> => {
      const before = network.dials;
      for (let passed = 0; passed < ms; passed += 250) await pass(250);
      return network.dials - before;
    };
    const renewals = (ms: number): number => ms / 4_000 + 1; // of the one that is well
    const early = await dialsWithin(8_000);
    const late = await dialsWithin(80_000);
    expect(early).toBeGreaterThanOrEqual(3);
    expect(late - renewals(80_000)).toBeLessThanOrEqual(5);
    expect([...upstream.endpoints].map(({ state }) => state)).toEqual(['available', 'available']);
    expect(upstream.outcomes['connect-failed']).toBe(0);
    network.refusing.clear();
    await dialsWithin(40_000);
    expect(openTo()).toEqual({ '10.0.0.1': 1, '10.0.0.2': 1 });
  });

  it('are made a few at a time, until all are there', async () => {
    network.isPatient = true;
    open(1);
    watch.give(instances(100));
    expect(network.dials).toBe(32);
    await pass(1_000);
    expect(network.dials).toBe(32);
    for (let round = 0; round < 4; round++) {
      network.settleDials();
      await pass(250);
    }
    expect(openTo()).toEqual(Object.fromEntries(instances(100).map(({ host }) => [host, 1])));
  });

  it('keep within the limits on connections', async () => {
    open(4, { limits: { ...UPSTREAM_DEFAULTS.limits, connections: 5 } });
    watch.give(instances(3));
    await pass(2_000);
    expect(network.open).toHaveLength(5);
    upstream.close();
    open(4, { connect: { ...UPSTREAM_DEFAULTS.connect, max: 2 } });
    watch.give(instances(2));
    await pass(2_000);
    expect(openTo()).toEqual({ '10.0.0.1': 2, '10.0.0.2': 2 });
  });

  it('are not made to whom no traffic goes', async () => {
    open(1);
    watch.give([instance(1), instance(2, { enabled: false }), instance(3, { health: 'critical' })]);
    await pass(1_000);
    expect(openTo()).toEqual({ '10.0.0.1': 1 });
    watch.give([instance(4)]);
    await pass(1_000);
    expect(openTo()).toEqual({ '10.0.0.4': 1 });
  });
});
