import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cohort, MAX_COHORT } from '../../../src/resilience/cohort.ts';

describe('a cohort', () => {
  it('does not take the fast ones that have ended for the whole', () => {
    const cohort = new Cohort();
    const members = Array.from({ length: 10 }, () => cohort.join(0));
    cohort.close(100);
    for (const member of members.slice(0, 4)) cohort.end(member, 90);
    expect(cohort.quantile(0.5, 100)).toBeUndefined();
    for (const member of members.slice(4, 7)) cohort.end(member, 400);
    // Three still wait, and may have begun as late as 100: not certain before they have waited as long.
    expect(cohort.quantile(0.5, 400)).toBeUndefined();
    expect(cohort.quantile(0.5, 500)).toBe(400);
  });

  it('does not wait for the last ones where most waited in vain', () => {
    const cohort = new Cohort();
    const members = Array.from({ length: 10 }, () => cohort.join(0));
    cohort.close(100);
    for (const member of members.slice(0, 4)) cohort.end(member, Infinity);
    expect(cohort.quantile(0.5, 5_000)).toBeUndefined();
    cohort.end(members[4] ?? 0, Infinity);
    expect(cohort.quantile(0.5, 5_000)).toBe(Infinity);
  });

  it('closes by itself when it is full, and knows nobody of the one before', () => {
    const cohort = new Cohort();
    const members = Array.from({ length: MAX_COHORT + 5 }, () => cohort.join(7));
    expect([cohort.isOpen, cohort.size, members.filter((member) => member === 0).length]).toEqual([
      false,
      MAX_COHORT,
      5,
    ]);
    cohort.clear();
    for (const member of members) cohort.end(member, 1);
    const mine = cohort.join(8);
    cohort.close(8);
    cohort.end(mine, undefined);
    expect([cohort.size, cohort.quantile(0.5, 9)]).toEqual([0, undefined]);
  });

  it('tells, as soon as it tells anything, what all of them together took', () => {
    const one = fc.record({ beginMs: fc.integer({ min: 0, max: 100 }), tookMs: fc.integer({ min: 0, max: 2_000 }) });
    const quantiles = fc.double({ min: 0.05, max: 0.95, noNaN: true });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: MAX_COHORT - 1 }), quantiles, (requests, share) => {
        const cohort = new Cohort();
        const members = requests.map((request) => ({ ...request, member: cohort.join(request.beginMs) }));
        cohort.close(100);
        const sorted = requests.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
        const whole = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
        let told: number | undefined;
        members.sort((a, b) => a.beginMs + a.tookMs - (b.beginMs + b.tookMs));
        for (const { member, beginMs, tookMs } of members) {
          cohort.end(member, tookMs);
          told ??= cohort.quantile(share, Math.max(100, beginMs + tookMs));
        }
        expect(told ?? cohort.quantile(share, 10_000)).toBe(whole);
      }),
    );
  });
});
