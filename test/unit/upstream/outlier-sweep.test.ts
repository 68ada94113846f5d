// Endpoints that stand out among the others: by their share of failures, or by their time.
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { describeEndpoint } from '../../../src/upstream/describe.ts';
import { UPSTREAM_DEFAULTS, type OutlierOptions } from '../../../src/upstream/options.ts';
import type { Outcome } from '../../../src/upstream/outcome.ts';
import { failsMore, type Tally } from '../../../src/upstream/outlier-window.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, optionsWith, ORDERS } from './fakes.ts';

const { outlier: DEFAULTS } = UPSTREAM_DEFAULTS;
/** Comparisons at the end of an interval alone; those at any time have a test of their own (failure-share.test.ts). */
const SWEEP = { successRate: { ...DEFAULTS.successRate, immediate: false } };
/** And nothing else. */
const NO_RUNS = { ...SWEEP, consecutiveFailures: 0, consecutiveGatewayErrors: 0, consecutiveLocalErrors: 0 };

let clock: FakeClock;
let upstream: Upstream;

function open(size: number, outlier: Partial<OutlierOptions> = {}): void {
  clock = new FakeClock();
  const watch = new FakeWatch();
  const options = optionsWith({ outlier: { ...DEFAULTS, ...outlier } });
  const identity = { name: 'orders', key: ORDERS, options, isKnown: true };
  upstream = new Upstream(identity, { clock, connect: new FakeNetwork(clock).connect, watch: watch.service });
  watch.give(Array.from({ length: size }, (_, n) => instance(n + 1)));
}

/** Attempts on endpoint `index` that end like this. */
function attempts(index: number, count: number, outcome: Outcome, status = 200, tookMs = 5): void {
  const endpoint = [...upstream.endpoints][index];
  for (let n = 0; n < count; n++) {
    const nowMs = clock.now();
    const claim = endpoint?.claim(nowMs - tookMs);
    if (outcome === 'success' || outcome === 'gateway-error') {
      claim?.heard(nowMs, status);
      if (status < 500) claim?.answered(nowMs);
    }
    claim?.settle(outcome, nowMs);
  }
}

function ejected(): number[] {
  return [...upstream.endpoints].flatMap(({ outlier }, index) => (outlier.isEjected ? [index] : []));
}

function why(index: number): string {
  const endpoint = [...upstream.endpoints][index];
  return endpoint === undefined ? '' : describeEndpoint(upstream, endpoint, clock.now()).why;
}

afterEach(async () => {
  upstream.close();
  await clock.advance(1);
  expect(clock.timers).toBe(0);
});

describe('failures in a row', () => {
  it('are counted by their kind, which the other kind does not end', () => {
    open(3, { ...NO_RUNS, consecutiveGatewayErrors: 3 });
    for (let n = 0; n < 2; n++) {
      attempts(0, 1, 'gateway-error', 503);
      attempts(0, 5, 'reset');
    }
    expect(ejected()).toEqual([]);
    attempts(0, 1, 'gateway-error', 503);
    expect(why(0)).toMatch(/^ejected for 5\.0 s more, after 3 consecutive answers 502, 503 or 504; picked last$/);
  });

  it('without a valid answer can be all that counts', () => {
    open(3, { ...NO_RUNS, consecutiveLocalErrors: 4 });
    attempts(0, 100, 'gateway-error', 503);
    attempts(0, 3, 'timeout');
    expect(ejected()).toEqual([]);
    attempts(0, 1, 'connect-failed');
    expect(why(0)).toContain('after 4 consecutive failures without a valid answer');
  });

  it('of mixed kinds eject too', () => {
    open(3);
    for (let n = 0; n < 5; n++) attempts(0, 1, n % 2 === 0 ? 'reset' : 'gateway-error', 503);
    expect(why(0)).toContain('after 5 consecutive failures');
  });
});

describe('an endpoint that fails more often than the others', () => {
  it.each([2, 3, 10])('is ejected from a pool of %i, though it never fails twice in a row', async (size) => {
    open(size, SWEEP);
    for (let n = 0; n < 60; n++) {
      attempts(0, 1, n % 2 === 0 ? 'gateway-error' : 'success', n % 2 === 0 ? 503 : 200);
      for (let other = 1; other < size; other++) attempts(other, 1, 'success');
    }
    await clock.advance(10_100);
    expect(ejected()).toEqual([0]);
    expect(why(0)).toContain('after 50 % of 60 requests failed, 0 % at the others');
  });

  it('is ejected for answers 500, which say nothing by themselves', async () => {
    open(3, SWEEP);
    attempts(0, 50, 'success', 500);
    attempts(1, 50, 'success');
    attempts(2, 50, 'success');
    expect(ejected()).toEqual([]);
    await clock.advance(10_100);
    expect(ejected()).toEqual([0]);
  });

  it('stays where all fail alike', async () => {
    open(3, NO_RUNS);
    for (let index = 0; index < 3; index++) attempts(index, 100, 'success', 500);
    await clock.advance(10_100);
    expect(ejected()).toEqual([]);
  });

  it('stays where too little was sent to it, or margin is 1', async () => {
    open(3, NO_RUNS);
    attempts(0, 29, 'reset');
    for (const index of [1, 2]) attempts(index, 100, 'success');
    await clock.advance(10_100);
    expect(ejected()).toEqual([]);
    upstream.close();
    open(3, { ...NO_RUNS, successRate: { ...SWEEP.successRate, margin: 1 } });
    attempts(0, 99, 'reset');
    attempts(0, 1, 'success');
    for (const index of [1, 2]) attempts(index, 100, 'success');
    await clock.advance(10_100);
    expect(ejected()).toEqual([]);
  });

  it('is judged by one interval alone', async () => {
    open(2, NO_RUNS);
    attempts(0, 29, 'reset');
    attempts(1, 29, 'success');
    await clock.advance(10_100);
    attempts(0, 29, 'reset');
    attempts(1, 29, 'success');
    await clock.advance(10_100);
    expect(ejected()).toEqual([]);
  });
});

describe('an endpoint that is slower than the others', () => {
  it.each([2, 3, 8])('is ejected from a pool of %i', async (size) => {
    open(size);
    attempts(0, 40, 'success', 200, 900);
    for (let other = 1; other < size; other++) attempts(other, 40, 'success', 200, 20);
    await clock.advance(10_100);
    expect(ejected()).toEqual([0]);
    expect(why(0)).toMatch(/after answers took about \d+ ms, \d+ ms at the others/);
  });

  it('stays where the difference is small, in times or in milliseconds, where two of three are slow, or with factor 0', async () => {
    for (const [tookMs, others, options] of [
      [100, [5, 5], {}],
      [1_000, [400, 400], {}],
      [900, [900, 20], {}],
      [900, [20, 20], { latency: { ...DEFAULTS.latency, factor: 0 } }],
    ] as const) {
      open(3, options);
      attempts(0, 40, 'success', 200, tookMs);
      others.forEach((ms, n) => attempts(n + 1, 40, 'success', 200, ms));
      await clock.advance(10_100);
      expect(ejected()).toEqual([]);
      upstream.close();
    }
  });
});

describe('the comparison of shares', () => {
  const tally = fc
    .tuple(fc.integer({ min: 0, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([requests, share]): Tally => ({ requests, failures: Math.round(requests * share) }));

  it('finds nobody who fails no more than the rest, never both sides, and no less where more failed', () => {
    fc.assert(
      fc.property(tally, tally, (own, others) => {
        const isOut = failsMore(own, others, DEFAULTS.successRate);
        if (own.failures * others.requests <= others.failures * own.requests) expect(isOut).toBe(false);
        if (!isOut) return;
        expect(failsMore(others, own, DEFAULTS.successRate)).toBe(false);
        const worse = { ...own, failures: own.requests };
        expect(failsMore(worse, others, DEFAULTS.successRate)).toBe(true);
      }),
    );
  });

  it('takes chance for chance: of endpoints that fail alike, hardly one in a thousand stands out', () => {
    const random = new FakeClock({ seed: 7 });
    const draw = (requests: number, share: number): Tally => {
      let failures = 0;
      for (let n = 0; n < requests; n++) if (random.random() < share) failures++;
      return { requests, failures };
    };
    let found = 0;
    for (let round = 0; round < 3_000; round++) {
      const share = random.random();
      if (failsMore(draw(30 + (round % 100), share), draw(200, share), DEFAULTS.successRate)) found++;
    }
    expect(found).toBeLessThanOrEqual(3);
  });
});
