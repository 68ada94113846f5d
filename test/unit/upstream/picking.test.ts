// What an upstream's endpoints become in its picker: levels, zones, subsets, warming up.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeEndpoint } from '../../../src/upstream/describe.ts';
import type { UpstreamOptions } from '../../../src/upstream/options.ts';
import { UPSTREAM_DEFAULTS } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { Subset } from '../../../src/util/labels.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS } from './fakes.ts';

let clock: FakeClock;
let watch: FakeWatch;
let upstream: Upstream;
const panics: string[] = [];

function open(options: Partial<UpstreamOptions>): void {
  const identity = { name: 'orders', key: ORDERS, options: optionsWith(options), isKnown: true };
  const { connect } = new FakeNetwork(clock);
  upstream = new Upstream(identity, {
    clock,
    connect,
    watch: watch.service,
    onPanic: (_, panic) => panics.push(panic),
  });
}

function describeOne(n: number) {
  for (const endpoint of upstream.endpoints)
    if (endpoint.id === `orders-${n}`) return describeEndpoint(upstream, endpoint, clock.now());
  throw new Error(`orders-${n} is not there`);
}

function shares(...numbers: readonly number[]): number[] {
  return numbers.map((n) => describeOne(n).share);
}

/** Ids that are picked, in order of their number. */
function picked(calls = 200, request = makeRequest()): string[] {
  const found = new Set<string>();
  for (let n = 0; n < calls; n++) {
    const picker = request.subset === undefined ? upstream.picker : upstream.pickerFor(request.subset);
    const result = picker.pick(request);
    if (result.kind === 'picked') found.add(result.endpoint.id);
  }
  return [...found].sort();
}

beforeEach(() => {
  clock = new FakeClock();
  watch = new FakeWatch();
  panics.length = 0;
});

afterEach(async () => {
  upstream.close();
  await clock.advance(1);
  expect(clock.timers).toBe(0);
});

describe('zones', () => {
  const zone = { ...UPSTREAM_DEFAULTS.zone, own: 'a' };
  const list = [1, 2, 3, 4, 5, 6].map((n) => instance(n, { zone: ['a', 'b', 'c'][(n - 1) % 3] ?? '' }));

  it('spill over in proportion to capacity once our own cannot carry its part', () => {
    open({ zone });
    watch.give(list);
    expect(shares(1, 4, 2, 3, 5, 6)).toEqual([0.5, 0.5, 0, 0, 0, 0]);
    expect(describeOne(1).why).toBe('picked: in our zone');
    watch.give(list.map((one) => (one.id === 'orders-1' ? { ...one, health: 'critical' } : one)));
    expect(shares(1, 4, 2, 3, 5, 6)).toEqual([0, 0.84, 0.04, 0.04, 0.04, 0.04]);
    expect(describeOne(2).why).toBe('picked: in another zone, which take the 16 % that ours cannot carry');
    expect(panics).toEqual([]);
  });

  it('make no difference where we do not know ours, do not care, or have nobody in it', () => {
    for (const given of [UPSTREAM_DEFAULTS.zone, { ...zone, prefer: false }, { ...zone, own: 'elsewhere' }]) {
      open({ zone: given });
      watch.give(list);
      expect(picked()).toHaveLength(6);
      upstream.close();
    }
  });
});

describe('priority levels', () => {
  it('come from metadata, and the next one takes what the first cannot carry', () => {
    open({});
    const list = [1, 2, 3, 4].map((n) => instance(n, { metadata: { priority: n <= 2 ? '0' : '1' } }));
    watch.give(list);
    expect(picked()).toEqual(['orders-1', 'orders-2']);
    watch.give(list.map((one) => (one.id === 'orders-1' ? { ...one, health: 'critical' } : one)));
    expect(shares(1, 2, 3, 4)).toEqual([0, 0.7, 0.15, 0.15]);
    expect(describeOne(3)).toMatchObject({ priority: 1, why: 'picked, priority 1' });
  });

  it('come from labels; what fits none is last', () => {
    open({ priority: { ...UPSTREAM_DEFAULTS.priority, levels: [{ zone: 'a' }, { dc: 'eu' }] } });
    watch.give([instance(1, { zone: 'b' }), instance(2, { metadata: { dc: 'eu' } }), instance(3, { zone: 'a' })]);
    expect([1, 2, 3].map((n) => describeOne(n).priority)).toEqual([2, 1, 0]);
    expect(picked()).toEqual(['orders-3']);
  });
});

describe('subsets', () => {
  const v2 = new Subset({ version: '2' });
  const list = [1, 2, 3].map((n) => instance(n, { metadata: { version: n === 3 ? '2' : '1' } }));

  it('are what a request asks for, whatever its upstream is restricted to', () => {
    open({ subset: { version: '1' } });
    const request = makeRequest();
    request.subset = v2;
    expect(upstream.pickerFor(v2).pick(request).kind).toBe('queue');
    watch.give(list);
    expect(picked()).toEqual(['orders-1', 'orders-2']);
    expect(picked(50, request)).toEqual(['orders-3']);
    watch.give(list.slice(0, 2));
    expect(upstream.pickerFor(v2).pick(request).kind).toBe('unavailable');
    watch.give(list);
    expect(picked(50, request)).toEqual(['orders-3']);
  });

  it('fall back to all where that is wanted', () => {
    open({ subset: { version: '3' }, subsetFallback: 'any' });
    watch.give(list);
    expect(picked()).toHaveLength(3);
  });
});

describe('slow start', () => {
  const factor = (n: number): number => describeOne(n).effectiveWeight / 100;

  it('lets the weight of a new endpoint grow, and of none in the first list', async () => {
    open({ slowStartMs: 30_000 });
    watch.give([instance(1), instance(2)]);
    expect([factor(1), factor(2)]).toEqual([1, 1]);
    watch.give([instance(1), instance(2), instance(3)]);
    expect([factor(1), factor(3)]).toEqual([1, 0.1]);
    expect(describeOne(3).why).toBe('picked; warming up: 10 % of its weight');
    await clock.advance(15_500);
    expect(factor(3)).toBeCloseTo(0.5, 1);
    await clock.advance(16_000);
    expect(factor(3)).toBe(1);
  });

  it('does not begin again for one that was listed again, unless it is another process', () => {
    open({ slowStartMs: 30_000 });
    watch.give([instance(1), instance(2, { owner: 'x' })]);
    watch.give([instance(1)]);
    watch.give([instance(1), instance(2, { owner: 'x' })]);
    expect(factor(2)).toBe(1);
    watch.give([instance(1), instance(2, { owner: 'y' })]);
    expect(factor(2)).toBe(0.1);
  });

  it('begins after a failing check', () => {
    open({ slowStartMs: 30_000 });
    watch.give([instance(1), instance(2, { health: 'critical' })]);
    watch.give([instance(1), instance(2)]);
    expect(factor(2)).toBe(0.1);
  });
});

describe('panic', () => {
  it('is told when it begins and when it ends', () => {
    open({});
    watch.give([instance(1, { health: 'critical' })]);
    watch.give([instance(1)]);
    expect(panics).toEqual(['all', 'none']);
  });
});
