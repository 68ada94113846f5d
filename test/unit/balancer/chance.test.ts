// What each policy promises beyond the contract of all (test/conformance/picker.test.ts): those that draw by turn, load or time.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResponseTime } from '../../../src/balancer/response-time.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { build, counts, equal, pick, planOf, POLICIES, slots, type TestEndpoint } from '../../support/picking.ts';

const ROUND_ROBIN = POLICIES['round-robin'];
const LEAST_REQUEST = POLICIES['least-request'];
const PEAK_EWMA = { policy: 'peak-ewma', decayMs: 10_000, initialMs: 30, penaltyMs: 5_000 } as const;

describe('round-robin', () => {
  it('gives each endpoint its turns within a round, evenly spread', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 8 }),
        fc.integer(),
        (given, random) => {
          const picker = build(ROUND_ROBIN, planOf(slots(given)), random);
          const total = given.reduce((sum, weight) => sum + weight, 0);
          const order = Array.from({ length: 3 * total }, () => pick(picker).id);
          given.forEach((weight, n) => {
            for (let from = 0; from + total <= order.length; from++) {
              const turns = order.slice(from, from + total).filter((id) => id === `e${n}`).length;
              expect(Math.abs(turns - weight)).toBeLessThanOrEqual(1);
            }
          });
        },
      ),
    );
  });

  it('goes on where it was after an update', () => {
    for (let random = 1; random < 20; random++) {
      const before = build(ROUND_ROBIN, planOf(slots([1, 1, 1, 1])), random);
      const seen = [pick(before).id, pick(before).id];
      const after = build(ROUND_ROBIN, planOf(slots([1, 1, 1, 1])), random + 100, before);
      seen.push(pick(after).id, pick(after).id);
      expect(new Set(seen).size).toBe(4);
    }
  });

  it('does not begin with the same endpoint in every process', () => {
    const firsts = new Set(
      Array.from({ length: 50 }, (_, random) => pick(build(ROUND_ROBIN, planOf(slots([1, 1, 1])), random)).id),
    );
    expect(firsts.size).toBe(3);
  });
});

describe('least-request', () => {
  it.each([3, 8, 9, 100])('fills %i endpoints of equal weight evenly', (size) => {
    const picker = build(LEAST_REQUEST, planOf(equal(size)));
    const found = new Map<string, TestEndpoint>();
    for (let i = 0; i < size * 20; i++) {
      const picked = pick(picker);
      picked.inFlight++;
      found.set(picked.id, picked);
    }
    const loads = [...found.values()].map(({ inFlight }) => inFlight);
    expect(loads).toHaveLength(size);
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(size <= 8 ? 1 : 8);
  });

  it('keeps load in proportion to weight', () => {
    const given = slots([300, 100]);
    const picker = build(LEAST_REQUEST, planOf(given));
    for (let i = 0; i < 400; i++) pick(picker).inFlight++;
    expect(given[0]?.endpoint.inFlight).toBeGreaterThanOrEqual(299);
    expect(given[1]?.endpoint.inFlight).toBeGreaterThanOrEqual(99);
  });

  it('does not take the least weight for the best because it is idle', () => {
    const given = slots([100, 100, 10]);
    for (const { endpoint } of given.slice(0, 2)) endpoint.inFlight = 1;
    const light = counts(build(LEAST_REQUEST, planOf(given)), 10_000).get('e2') ?? 0;
    expect(light).toBeGreaterThan(300);
    expect(light).toBeLessThan(700); // 1 in 21 are 476
  });

  it('keeps away from one that answers nobody', () => {
    const given = equal(20);
    const [hung] = given;
    if (hung !== undefined) hung.endpoint.inFlight = 1_000;
    expect(counts(build(LEAST_REQUEST, planOf(given)), 10_000).get('e0') ?? 0).toBeLessThan(100);
  });
});

describe('peak-ewma', () => {
  const clock = new FakeClock();

  function measured(...sampleMs: readonly number[]) {
    const given = equal(sampleMs.length);
    given.forEach(({ endpoint }, n) => {
      endpoint.responseTime = new ResponseTime(PEAK_EWMA, clock);
      endpoint.responseTime.observe(1_000, clock.now()); // Above what it begins with.
      for (let i = 0; i < 2_000; i++) endpoint.responseTime.observe(sampleMs[n] ?? 0, clock.now() + 60_000);
    });
    return given;
  }

  it('prefers who answers sooner', () => {
    const found = counts(build(PEAK_EWMA, planOf(measured(100, 10))), 1_000);
    expect(found.get('e1')).toBe(1_000);
  });

  it('counts what is in flight: at ten times the time, a tenth of the requests', () => {
    const given = measured(100, 10);
    const picker = build(PEAK_EWMA, planOf(given));
    for (let i = 0; i < 1_100; i++) pick(picker).inFlight++;
    expect(given[0]?.endpoint.inFlight).toBeGreaterThan(60);
    expect(given[0]?.endpoint.inFlight).toBeLessThan(200);
  });

  it('keeps away from who fails fast, and comes back', async () => {
    const time = new FakeClock();
    const [bad, good] = equal(2);
    if (bad === undefined || good === undefined) throw new Error('two');
    for (const { endpoint } of [bad, good]) endpoint.responseTime = new ResponseTime(PEAK_EWMA, time);
    const picker = build(PEAK_EWMA, planOf([bad, good]));
    bad.endpoint.responseTime?.penalise();
    good.endpoint.responseTime?.observe(10, time.now());
    expect(counts(picker, 100).get('e1')).toBe(100);
    for (let s = 0; s < 80; s++) {
      await time.advance(1_000);
      good.endpoint.responseTime?.observe(10, time.now());
    }
    expect(bad.endpoint.responseTime?.at(time.now())).toBeLessThan(10);
  });
});

describe('a response time', () => {
  it('is what it was told to begin with, before the first answer', () => {
    const clock = new FakeClock();
    expect(new ResponseTime(PEAK_EWMA, clock).at(clock.now())).toBe(30);
  });

  it('jumps to a peak, decays to 37 % in one decay, and nears the samples below it', async () => {
    const clock = new FakeClock();
    const time = new ResponseTime(PEAK_EWMA, clock);
    time.observe(200, clock.now());
    expect(time.at(clock.now())).toBe(200);
    await clock.advance(10_000);
    expect(time.at(clock.now())).toBeCloseTo(200 / Math.E, 6);
    time.observe(50, clock.now());
    expect(time.at(clock.now())).toBeCloseTo(200 / Math.E + 50 * (1 - 1 / Math.E), 6);
  });

  it('is never below zero and never above the worst that was seen', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.double({ min: 0, max: 60_000, noNaN: true }), fc.double({ min: 0, max: 100_000, noNaN: true })),
        ),
        (samples) => {
          const time = new ResponseTime(PEAK_EWMA, new FakeClock({ startMs: 0 }));
          let nowMs = 0;
          let worst = 30;
          for (const [sampleMs, laterMs] of samples) {
            nowMs += laterMs;
            worst = Math.max(worst, sampleMs);
            time.observe(sampleMs, nowMs);
            expect(time.at(nowMs)).toBeGreaterThanOrEqual(0);
            expect(time.at(nowMs)).toBeLessThanOrEqual(worst * (1 + 1e-9));
          }
        },
      ),
    );
  });

  it('learns from a request that was given up only that it takes longer', async () => {
    const clock = new FakeClock();
    const time = new ResponseTime(PEAK_EWMA, clock);
    const startedAtMs = clock.now();
    await clock.advance(10);
    time.gaveUp(startedAtMs);
    expect(time.at(clock.now())).toBeLessThan(30);
    await clock.advance(490);
    time.gaveUp(startedAtMs);
    expect(time.at(clock.now())).toBe(500);
  });
});
