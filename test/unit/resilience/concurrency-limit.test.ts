import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConcurrencyLimit, REFUSED } from '../../../src/resilience/concurrency-limit.ts';
import type { ConcurrencyOptions } from '../../../src/upstream/options.ts';
import type { Clock } from '../../../src/util/clock.ts';

const DEFAULTS: ConcurrencyOptions = {
  minLimit: 4,
  maxLimit: 1_000,
  initialLimit: 64,
  percentile: 0.5,
  tolerance: 0.25,
  windowMs: 100,
  measure: { intervalMs: 30_000, jitter: 0.15, requests: 50 },
};

interface Load {
  readonly perSecond: number;
  /** At work at the same time; what comes beyond is queued, first come, first served. */
  readonly workers: number;
  /** Of one request that begins to be served at that time. */
  readonly serviceMs: (atMs: number) => number;
  readonly untilMs: number;
}

/** An upstream of bounded capacity behind a limit, as events in simulated time. */
class Simulation {
  readonly limit: ConcurrencyLimit;
  nowMs = 0;
  admitted = 0;
  refused = 0;
  served = 0;
  /** Bounds that the limit was seen within. */
  least = Infinity;
  most = 0;
  /** Requests refused although fewer than `minLimit` were under way. */
  starved = 0;
  private readonly options: ConcurrencyOptions;
  /** Latest first. */
  private readonly underWay: { readonly member: number; readonly startedAtMs: number; readonly endsAtMs: number }[] =
    [];
  private freeAtMs: number[] = [];

  constructor(over: Partial<ConcurrencyOptions> = {}) {
    this.options = { ...DEFAULTS, ...over };
    this.limit = new ConcurrencyLimit(this.options, this.clock());
  }

  /** Evenly spaced requests until `untilMs`; counts from its beginning. */
  run({ perSecond, workers, serviceMs, untilMs }: Load): this {
    this.admitted = this.refused = this.served = 0;
    this.freeAtMs = Array.from({ length: workers }, (_, n) => this.freeAtMs[n] ?? 0);
    for (let atMs = this.nowMs; atMs < untilMs; atMs += 1_000 / perSecond) {
      this.endUntil(atMs);
      this.nowMs = atMs;
      this.arrive(serviceMs);
    }
    return this;
  }

  get limitNow(): number {
    return this.limit.describe().limit;
  }

  private arrive(serviceMs: Load['serviceMs']): void {
    const { limit, nowMs, options } = this;
    const before = limit.inFlight;
    const member = limit.admit(nowMs);
    if (member === REFUSED) {
      this.refused++;
      if (before < options.minLimit) this.starved++;
    } else {
      this.admitted++;
      const first = Math.min(...this.freeAtMs);
      const beginsAtMs = Math.max(nowMs, first);
      const endsAtMs = beginsAtMs + serviceMs(beginsAtMs);
      this.freeAtMs[this.freeAtMs.indexOf(first)] = endsAtMs;
      const at = this.underWay.findIndex((one) => one.endsAtMs <= endsAtMs);
      this.underWay.splice(at < 0 ? this.underWay.length : at, 0, { member, startedAtMs: nowMs, endsAtMs });
    }
    this.note();
  }

  private endUntil(atMs: number): void {
    for (let last = this.underWay.at(-1); last !== undefined && last.endsAtMs <= atMs; last = this.underWay.at(-1)) {
      this.underWay.pop();
      this.nowMs = last.endsAtMs;
      this.served++;
      this.limit.answered(last.member, last.endsAtMs - last.startedAtMs, last.endsAtMs);
      this.note();
    }
  }

  private note(): void {
    this.least = Math.min(this.least, this.limitNow);
    this.most = Math.max(this.most, this.limitNow);
  }

  private clock(): Clock {
    let seed = 1;
    return {
      now: () => this.nowMs,
      wallMs: () => this.nowMs,
      random: () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647,
      setTimer: () => {
        throw new Error('it needs no timer');
      },
    };
  }
}

describe('an adaptive limit', () => {
  it('refuses nothing where the upstream has room', () => {
    const { refused, served } = new Simulation().run({
      perSecond: 500,
      workers: 100,
      serviceMs: () => 20,
      untilMs: 120_000,
    });
    expect([refused, served > 59_900]).toEqual([0, true]);
  });

  it.each([
    [4, 40],
    [12, 40],
    [40, 20],
    [100, 200],
  ])('keeps %i workers of %i ms busy under three times their capacity, with a short queue', (workers, ms) => {
    const simulation = new Simulation();
    const capacity = (workers * 1_000) / ms;
    const load = { perSecond: 3 * capacity, workers, serviceMs: () => ms };
    simulation.run({ ...load, untilMs: 20_000 });
    expect(simulation.served).toBeGreaterThanOrEqual(0.8 * 20 * capacity);
    simulation.run({ ...load, untilMs: 80_000 });
    expect(simulation.served).toBeGreaterThanOrEqual(0.9 * 60 * capacity);
    expect(simulation.limitNow).toBeLessThanOrEqual(2 * workers + 8);
    expect(simulation.limit.describe().minRttMs).toBeLessThan(2.1 * ms);
  });

  it('comes back when answers take three times as long from one moment on, and when they are as fast again', () => {
    const simulation = new Simulation();
    const load = { perSecond: 400, workers: 100 };
    simulation.run({ ...load, serviceMs: () => 20, untilMs: 20_000 });
    simulation.run({ ...load, serviceMs: () => 60, untilMs: 40_000 });
    expect(simulation.run({ ...load, serviceMs: () => 60, untilMs: 60_000 }).refused).toBe(0);
    simulation.run({ ...load, serviceMs: () => 20, untilMs: 80_000 });
    expect(simulation.run({ ...load, serviceMs: () => 20, untilMs: 100_000 }).refused).toBe(0);
  });

  it('measures anew, at once, where fewer requests make answers no faster', () => {
    const simulation = new Simulation({ measure: { ...DEFAULTS.measure, intervalMs: 3_600_000 } });
    const load = { perSecond: 3_000, workers: 60 };
    simulation.run({ ...load, serviceMs: () => 20, untilMs: 60_000 });
    const settled = simulation.limitNow;
    simulation.run({ ...load, serviceMs: () => 200, untilMs: 90_000 });
    expect(simulation.limitNow).toBeGreaterThan(settled / 2);
    expect(simulation.limit.describe().minRttMs).toBeGreaterThan(150);
  });

  it('grows past its beginning where that is needed', () => {
    const simulation = new Simulation({ initialLimit: 4 });
    const load = { perSecond: 1_500, workers: 100, serviceMs: () => 40 };
    simulation.run({ ...load, untilMs: 20_000 });
    expect(simulation.run({ ...load, untilMs: 40_000 }).refused).toBe(0);
  });

  it('does not grow for being idle', () => {
    const simulation = new Simulation();
    simulation.run({ perSecond: 50, workers: 100, serviceMs: () => 5, untilMs: 60_000 });
    expect(simulation.most).toBe(64);
  });

  it.each([
    ['between measurements', 20_000],
    ['in a measurement', 100_000],
  ])('counts those who gave up waiting: nobody is answered in time, and it shrinks, %s', (_when, fromMs) => {
    const simulation = new Simulation();
    const { limit } = simulation;
    simulation.run({ perSecond: 500, workers: 100, serviceMs: () => 20, untilMs: 20_000 });
    let nowMs = fromMs;
    const before = simulation.limitNow;
    for (let round = 0; round < 14; round++) {
      const admitted: number[] = [];
      for (let member = limit.admit(nowMs); member !== REFUSED; member = limit.admit(nowMs)) admitted.push(member);
      nowMs += 1_000;
      for (const member of admitted) limit.gaveUp(member, 1_000, nowMs);
    }
    expect(simulation.limitNow).toBeLessThan(before / 3);
  });

  it('is not misled by failures that come at once', () => {
    const simulation = new Simulation();
    const { limit } = simulation;
    simulation.run({ perSecond: 500, workers: 100, serviceMs: () => 20, untilMs: 20_000 });
    const { limit: before, minRttMs } = limit.describe();
    for (let nowMs = 20_000; nowMs < 21_000; nowMs++) {
      const member = limit.admit(nowMs);
      expect(member).not.toBe(REFUSED);
      limit.failed(member, nowMs);
    }
    expect(limit.describe()).toMatchObject({ limit: before, minRttMs });
  });

  it('stays within its bounds, starves nobody, and serves again what there is room for, whatever happened', () => {
    const phase = fc.record({
      perSecond: fc.integer({ min: 1, max: 2_000 }),
      workers: fc.integer({ min: 1, max: 100 }),
      serviceMs: fc.integer({ min: 1, max: 400 }),
      lastsMs: fc.integer({ min: 100, max: 8_000 }),
    });
    const options = fc.record({
      minLimit: fc.integer({ min: 1, max: 20 }),
      maxLimit: fc.integer({ min: 1, max: 300 }),
      initialLimit: fc.integer({ min: 1, max: 400 }),
      percentile: fc.double({ min: 0.1, max: 0.95, noNaN: true }),
    });
    fc.assert(
      fc.property(options, fc.array(phase, { minLength: 1, maxLength: 4 }), (over, phases) => {
        const simulation = new Simulation(over);
        for (const { lastsMs, serviceMs, ...load } of phases)
          simulation.run({ ...load, serviceMs: () => serviceMs, untilMs: simulation.nowMs + lastsMs });
        const calm = { perSecond: 100, workers: 100, serviceMs: () => 10 };
        // What is queued is served; then two measurements at most are due.
        simulation.run({ ...calm, untilMs: simulation.nowMs + 120_000 });
        const { refused } = simulation.run({ ...calm, untilMs: simulation.nowMs + 20_000 });
        expect(simulation.least).toBeGreaterThanOrEqual(over.minLimit);
        expect(simulation.most).toBeLessThanOrEqual(Math.max(over.minLimit, over.maxLimit));
        expect(simulation.starved).toBe(0);
        if (over.maxLimit >= 2) expect(refused).toBe(0);
        expect(simulation.limit.inFlight).toBeLessThanOrEqual(3);
      }),
      { numRuns: 60 },
    );
  });
});
