// One contract for every balancing policy: shares, starvation, reserves, retries, updates.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PolicyName } from '../../src/balancer/options.ts';
import { slotOf } from '../../src/balancer/picker.ts';
import { asked, build, counts, equal, pick, planOf, POLICIES, slots, type TestEndpoint } from '../support/picking.ts';

const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 30 });
const seed = fc.integer();

/** Points of an endpoint of mean weight on a ring, at least. */
const POINTS = 512;

/**
 * How far an endpoint's part of a table may be off, relative to its share. Points on a ring fall by chance, so the part of k of
 * them is a sum of k exponential gaps, whose deviation is 1/√k: few for who has little weight.
 *
 * @param relativeWeight to the mean
 */
function unevenness(policy: PolicyName, relativeWeight: number): number {
  if (policy === 'ring-hash') return 12 / Math.sqrt(POINTS * relativeWeight);
  return policy === 'maglev' ? 0.02 : 0;
}

describe.each(Object.keys(POLICIES) as PolicyName[])('%s', (policy) => {
  const options = POLICIES[policy];

  it('gives shares in proportion to weights when nothing is in flight', () => {
    fc.assert(
      fc.property(weights, seed, (given, random) => {
        const picks = 4_000;
        const found = counts(build(options, planOf(slots(given)), random), picks);
        const total = given.reduce((sum, weight) => sum + weight, 0);
        given.forEach((weight, n) => {
          const share = weight / total;
          // Six standard deviations of a binomial distribution; round-robin is exact within one turn.
          const uneven = unevenness(policy, share * given.length) * picks * share;
          const slack = 6 * Math.sqrt(picks * share * (1 - share)) + 2 + uneven;
          expect(Math.abs((found.get(`e${n}`) ?? 0) - picks * share)).toBeLessThanOrEqual(slack);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('starves nobody', () => {
    fc.assert(
      fc.property(weights, seed, (given, random) => {
        const total = given.reduce((sum, weight) => sum + weight, 0);
        const least = Math.min(...given);
        const found = counts(build(options, planOf(slots(given)), random), Math.ceil((40 * total) / least));
        expect(found.size).toBe(given.length);
      }),
      { numRuns: 15 },
    );
  });

  it('never goes to an endpoint that was tried while another is there', () => {
    fc.assert(
      fc.property(weights, seed, fc.integer({ min: 1, max: 9 }), fc.string(), (given, random, tries, user) => {
        const picker = build(options, planOf(slots(given)), random);
        const tried: string[] = [];
        for (let attempt = 0; attempt < tries; attempt++) tried.push(pick(picker, tried, user).address);
        expect(new Set(tried).size).toBe(Math.min(tries, given.length));
      }),
    );
  });

  it('goes to a reserve only for requests that have tried all of the active ones', () => {
    fc.assert(
      fc.property(weights, weights, seed, (first, last, random) => {
        const picker = build(options, planOf(slots(first), slots(last, 100)), random);
        const firstAddresses = slots(first).map(({ endpoint: { address } }) => address);
        for (let i = 0; i < 50; i++) expect(firstAddresses).toContain(pick(picker).address);
        expect(firstAddresses).not.toContain(pick(picker, firstAddresses).address);
        const all = [...firstAddresses, ...slots(last, 100).map(({ endpoint: { address } }) => address)];
        expect(firstAddresses).toContain(pick(picker, all).address);
      }),
      { numRuns: 50 },
    );
  });

  it('divides requests over active groups by their shares, and retries within any of them', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 0.9, noNaN: true }), seed, (share, random) => {
        const groups = [equal(3), equal(3, 100)] as const;
        const [near, far] = groups.map(([first, ...rest], n) => {
          if (first === undefined) throw new Error('empty');
          return { name: `zone ${n}`, why: '', slots: [first, ...rest] as const, share: n === 0 ? share : 1 - share };
        });
        if (near === undefined || far === undefined) throw new Error('two groups');
        const picker = build(options, { active: [near, far], reserves: [] }, random);
        const picks = 2_000;
        const found = counts(picker, picks);
        const inNear = ['e0', 'e1', 'e2'].reduce((sum, id) => sum + (found.get(id) ?? 0), 0);
        expect(Math.abs(inNear - picks * share)).toBeLessThanOrEqual(6 * Math.sqrt(picks * share * (1 - share)));
        const tried: string[] = [];
        for (let attempt = 0; attempt < 6; attempt++) tried.push(pick(picker, tried, 'the same').address);
        expect(new Set(tried).size).toBe(6);
      }),
      { numRuns: 20 },
    );
  });

  it('has nobody to pick where the plan is empty', () => {
    expect(() => build(options, planOf([], []))).toThrow('nothing to pick from');
    expect(pick(build(options, planOf([], slots([1]), []))).id).toBe('e0');
  });

  it('gives the same result object for the same endpoint: a pick allocates nothing', () => {
    const picker = build(options, planOf(slots([1])));
    expect(picker.pick(asked('a'))).toBe(picker.pick(asked('b')));
  });

  it('never picks an endpoint that an update has taken away', () => {
    fc.assert(
      fc.property(fc.array(fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 20 }), { maxLength: 8 }), (lists) => {
        let picker = build(options, planOf(equal(3)));
        for (const list of lists) {
          const now = list.flatMap((n) => equal(1, n));
          picker = build(options, planOf(now), 1, picker);
          const ids = now.map(({ endpoint: { id } }) => id);
          for (let i = 0; i < 30; i++) expect(ids).toContain(pick(picker).id);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('picks among 10,000 endpoints by looking at a few', () => {
    let looks = 0;
    const counted = slots(Array.from({ length: 10_000 }, (_, n) => 1 + (n % 3))).map(
      ({ endpoint: { id, address }, weight }) =>
        slotOf<TestEndpoint>(
          {
            id,
            address,
            get inFlight() {
              looks++;
              return 0;
            },
            set inFlight(_: number) {},
          },
          weight,
        ),
    );
    const picker = build(options, planOf(counted));
    for (let i = 0; i < 1_000; i++) pick(picker);
    expect(looks).toBeLessThanOrEqual(2_000);
  });
});
