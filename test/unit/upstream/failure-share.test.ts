// An endpoint whose share of failures stands out is noticed with the failure that makes it certain, and chance is taken for chance.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttemptTally, FailureShare } from '../../../src/upstream/failure-share.ts';
import { UPSTREAM_DEFAULTS } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, optionsWith, ORDERS } from './fakes.ts';

const { outlier: DEFAULTS } = UPSTREAM_DEFAULTS;

/** Endpoints of one upstream, and attempts on them that fail by chance. */
class Pool {
  readonly shares: FailureShare[];
  private readonly clock: FakeClock;

  constructor(size: number, seed: number) {
    const all = new AttemptTally();
    this.clock = new FakeClock({ seed });
    this.shares = Array.from({ length: size }, () => new FailureShare(DEFAULTS.successRate, all));
  }

  attempt(index: number, isFailure: boolean): string | undefined {
    const share = this.shares[index];
    if (isFailure) share?.failed();
    return share?.ended();
  }

  /** @returns who stood out, how often, of `attempts` by chance. `failures` has how often the first of them failed until then. */
  play(attempts: number, rates: readonly number[]): { readonly stoodOut: number[]; readonly failures: number } {
    const stoodOut = rates.map(() => 0);
    let failures = 0;
    for (let n = 0; n < attempts; n++) {
      const index = Math.floor(this.clock.random() * rates.length);
      const isFailure = this.clock.random() < (rates[index] ?? 0);
      if (index === 0 && isFailure && stoodOut[0] === 0) failures++;
      if (this.attempt(index, isFailure) === undefined) continue;
      stoodOut[index] = (stoodOut[index] ?? 0) + 1;
      this.shares[index]?.begin(false);
    }
    return { stoodOut, failures };
  }
}

describe('an endpoint that begins to fail', () => {
  it.each([2, 3, 10])(
    'half of its requests, after ages of good ones, stands out of %i after a dozen failures or so',
    (size) => {
      const failures: number[] = [];
      for (let seed = 1; seed <= 200; seed++) {
        const pool = new Pool(size, seed);
        pool.play(3_000, new Array<number>(size).fill(0.01));
        const rates = [0.5, ...new Array<number>(size - 1).fill(0.01)];
        const found = pool.play(300 * size, rates);
        expect(found.stoodOut[0]).toBeGreaterThan(0);
        failures.push(found.failures);
      }
      expect(failures.reduce((sum, count) => sum + count, 0) / failures.length).toBeLessThan(14);
      expect(Math.max(...failures)).toBeLessThan(40);
    },
  );

  it('stands out with half of the evidence when it is back from an ejection for that, for its first hundred requests', () => {
    const failuresOf = (isOnTrial: boolean, wellFor: number): number => {
      const pool = new Pool(3, 1);
      pool.shares[0]?.begin(isOnTrial);
      for (let n = 0; n < wellFor; n++) for (const index of [0, 1, 2]) pool.attempt(index, false);
      for (let n = 1; ; n++) {
        for (const index of [1, 2]) pool.attempt(index, false);
        if (pool.attempt(0, true) !== undefined) return n;
      }
    };
    expect(failuresOf(true, 10)).toBe(4);
    expect(failuresOf(true, 100)).toBe(failuresOf(false, 100));
    expect(failuresOf(false, 10)).toBeGreaterThan(failuresOf(true, 10));
  });

  it('is told of in figures', () => {
    const pool = new Pool(2, 1);
    let why: string | undefined;
    for (let n = 0; why === undefined; n++) {
      pool.attempt(1, false);
      why = pool.attempt(0, n % 2 === 0);
    }
    expect(why).toMatch(/^\d+ of its last \d+ requests failed, 0 of \d+ at the others$/);
  });
});

describe('chance', () => {
  it.each([
    [2, 0.001],
    [2, 0.01],
    [2, 0.05],
    [3, 0.01],
    [3, 0.05],
    [10, 0.05],
  ])('ejects none of %i that fail alike, at a rate of %d, in 300,000 requests', (size, rate) => {
    const { stoodOut } = new Pool(size, 3).play(300_000, new Array<number>(size).fill(rate));
    expect(stoodOut.reduce((sum, count) => sum + count, 0)).toBe(0);
  });

  it('ejects hardly anybody where all fail often, at the same time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.double({ min: 0.1, max: 0.9, noNaN: true }),
        fc.integer({ min: 1, max: 1_000 }),
        (size, rate, seed) => {
          const pool = new Pool(size, seed);
          pool.play(2_000, new Array<number>(size).fill(0)); // All were well, and an outage befalls all of them at once.
          const { stoodOut } = pool.play(2_000, new Array<number>(size).fill(rate));
          return stoodOut.reduce((sum, count) => sum + count, 0) <= 4;
        },
      ),
      { numRuns: 200, seed: 11 },
    );
  });

  it('is no matter where nothing is known of the others, or failures are fewer than five', () => {
    const alone = new Pool(2, 1);
    for (let n = 0; n < 100; n++) expect(alone.attempt(0, true)).toBeUndefined();
    const few = new Pool(2, 1);
    for (let n = 0; n < 1_000; n++) few.attempt(1, false);
    for (let n = 0; n < 4; n++) expect(few.attempt(0, true)).toBeUndefined();
    expect(few.attempt(0, true)).toBeDefined();
  });
});

describe('of an upstream', () => {
  /** Attempts on an endpoint, the 503s among them told by `statuses`. */
  function attempts(upstream: Upstream, clock: FakeClock, index: number, statuses: readonly number[]): void {
    const endpoint = [...upstream.endpoints][index];
    for (const status of statuses) {
      const claim = endpoint?.claim(clock.now());
      claim?.heard(clock.now(), status);
      claim?.settle(status === 503 ? 'gateway-error' : 'success', clock.now());
    }
  }

  it.each([503, 500])(
    'a copy that answers %i half of the time is ejected at once, back in time, and out again sooner',
    async (status) => {
      const clock = new FakeClock();
      const network = new FakeNetwork(clock);
      const watch = new FakeWatch();
      const options = optionsWith({ outlier: DEFAULTS });
      const identity = { name: 'orders', key: ORDERS, options, isKnown: true };
      const upstream = new Upstream(identity, { clock, connect: network.connect, watch: watch.service });
      watch.give([instance(1), instance(2), instance(3)]);
      const bad = [...upstream.endpoints][0];
      /** @returns how many answers it failed with before it was out. */
      const untilOut = (): number => {
        for (let n = 1; n < 1_000; n++) {
          attempts(upstream, clock, 1, [200, 200]);
          attempts(upstream, clock, 2, [200, 200]);
          attempts(upstream, clock, 0, [status, 200]);
          if (bad?.outlier.isEjected === true) return n;
        }
        throw new Error('it is never out');
      };
      const first = untilOut();
      expect(first).toBeLessThanOrEqual(12);
      expect(bad?.outlier.cause).toBe('success-rate');
      await clock.advance(5_100);
      expect(bad?.outlier.isEjected).toBe(false);
      expect(untilOut()).toBeLessThanOrEqual(first / 2 + 1);
      await clock.advance(9_000);
      expect(bad?.outlier.isEjected).toBe(true);
      await clock.advance(1_100);
      expect(bad?.outlier.isEjected).toBe(false);
      for (const index of [0, 1, 2]) attempts(upstream, clock, index, new Array<number>(500).fill(200));
      expect(bad?.outlier.isEjected).toBe(false);
      upstream.close();
    },
  );

  it.each([1, 2])('of %i, the last one never', (size) => {
    const clock = new FakeClock();
    const watch = new FakeWatch();
    const options = optionsWith({ outlier: DEFAULTS });
    const identity = { name: 'orders', key: ORDERS, options, isKnown: true };
    const upstream = new Upstream(identity, { clock, connect: new FakeNetwork(clock).connect, watch: watch.service });
    watch.give(Array.from({ length: size }, (_, n) => instance(n + 1)));
    for (let n = 0; n < 2_000; n++) attempts(upstream, clock, n % size, [n % 3 === 0 ? 503 : 200]);
    expect([...upstream.endpoints].some(({ outlier }) => !outlier.isEjected)).toBe(true);
    upstream.close();
  });
});
