import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimeToHead } from '../../../src/upstream/time-to-head.ts';

describe('time to the head of an answer', () => {
  it('has no quantile before the first', () => {
    expect(new TimeToHead().quantile(0.99)).toBeUndefined();
  });

  it('gives a quantile that is never too small and at most half too large', () => {
    const times = fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }), { minLength: 1, maxLength: 500 });
    fc.assert(
      fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (given, q) => {
        const seen = new TimeToHead();
        for (const ms of given) seen.add(ms);
        const sorted = given.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? 0;
        const found = seen.quantile(q) ?? -1;
        expect(found).toBeGreaterThan(exact);
        expect(found).toBeLessThanOrEqual(Math.max(0.75, exact * 1.5 + 0.5));
      }),
    );
  });

  it('forgets what was long ago, and counts in bounded space whatever comes', () => {
    const seen = new TimeToHead();
    for (let count = 0; count < 10_000; count++) seen.add(1_000);
    expect(seen.quantile(0.5)).toBeGreaterThan(1_000);
    for (let count = 0; count < 10_000; count++) seen.add(1);
    expect(seen.quantile(0.5)).toBe(1.5);
    for (const odd of [0, Number.MAX_VALUE, Infinity]) seen.add(odd);
    expect(seen.quantile(1)).toBeGreaterThan(200_000);
    expect(seen.size).toBeLessThan(4_096);
  });
});
