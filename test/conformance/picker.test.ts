// One contract for every balancing policy: shares, starvation, tiers, retries, updates.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pickerOf, type PolicyName } from '../../src/balancer/policies.ts';
import { slotOf, type Candidate, type Picker, type Slot, type TieredPicker } from '../../src/balancer/picker.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface TestEndpoint extends Candidate {
  inFlight: number;
}

const POLICIES: readonly PolicyName[] = ['least-request', 'round-robin', 'random'];
const FIRST_TIME = { attempts: [] };

function endpoint(n: number): TestEndpoint {
  return { id: `e${n}`, address: `10.0.0.${n}:80`, inFlight: 0 };
}

function slots(weights: readonly number[], from = 0): Slot<TestEndpoint>[] {
  return weights.map((weight, n) => slotOf(endpoint(from + n), weight));
}

function build(
  policy: PolicyName,
  tiers: readonly (readonly Slot<TestEndpoint>[])[],
  seed = 1,
  previous?: TieredPicker<TestEndpoint>,
): TieredPicker<TestEndpoint> {
  const picker = pickerOf(policy, tiers, new FakeClock({ seed }), previous);
  if (picker === undefined) throw new Error('nothing to pick from');
  return picker;
}

function pick(picker: Picker<TestEndpoint>, tried: readonly string[] = []): TestEndpoint {
  const context = { attempts: tried.map((address) => ({ endpoint: address, result: undefined })) };
  const result = picker.pick(tried.length === 0 ? FIRST_TIME : context);
  if (result.kind !== 'picked') throw new Error(result.kind);
  return result.endpoint;
}

function counts(picker: Picker<TestEndpoint>, picks: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i < picks; i++) {
    const { id } = pick(picker);
    found.set(id, (found.get(id) ?? 0) + 1);
  }
  return found;
}

const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 30 });
const seed = fc.integer();

describe.each(POLICIES)('%s', (policy) => {
  it('gives shares in proportion to weights when nothing is in flight', () => {
    fc.assert(
      fc.property(weights, seed, (given, random) => {
        const picks = 4_000;
        const found = counts(build(policy, [slots(given)], random), picks);
        const total = given.reduce((sum, weight) => sum + weight, 0);
        given.forEach((weight, n) => {
          const share = weight / total;
          // Six standard deviations of a binomial distribution; round-robin is exact within one turn.
          const slack = 6 * Math.sqrt(picks * share * (1 - share)) + 2;
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
        const found = counts(build(policy, [slots(given)], random), Math.ceil((25 * total) / least));
        expect(found.size).toBe(given.length);
      }),
      { numRuns: 30 },
    );
  });

  it('never goes to an endpoint that was tried while another is there', () => {
    fc.assert(
      fc.property(weights, seed, fc.integer({ min: 1, max: 9 }), (given, random, tries) => {
        const picker = build(policy, [slots(given)], random);
        const tried: string[] = [];
        for (let attempt = 0; attempt < tries; attempt++) tried.push(pick(picker, tried).address);
        expect(new Set(tried).size).toBe(Math.min(tries, given.length));
      }),
    );
  });

  it('goes to a later tier only for requests that have tried all of the first', () => {
    fc.assert(
      fc.property(weights, weights, seed, (first, last, random) => {
        const picker = build(policy, [slots(first), slots(last, 100)], random);
        const firstAddresses = slots(first).map(({ endpoint: { address } }) => address);
        for (let i = 0; i < 50; i++) expect(firstAddresses).toContain(pick(picker).address);
        expect(firstAddresses).not.toContain(pick(picker, firstAddresses).address);
        const all = [...firstAddresses, ...slots(last, 100).map(({ endpoint: { address } }) => address)];
        expect(firstAddresses).toContain(pick(picker, all).address);
      }),
    );
  });

  it('leaves out tiers that are empty', () => {
    expect(pick(build(policy, [[], slots([1]), []])).id).toBe('e0');
    expect(pickerOf(policy, [[], []], new FakeClock())).toBeUndefined();
  });

  it('gives the same result object for the same endpoint: a pick allocates nothing', () => {
    const picker = build(policy, [slots([1])]);
    expect(picker.pick(FIRST_TIME)).toBe(picker.pick(FIRST_TIME));
  });

  it('picks among 10,000 endpoints by looking at a few', () => {
    const many = slots(Array.from({ length: 10_000 }, (_, n) => 1 + (n % 3)));
    let looks = 0;
    const counted = many.map(({ endpoint: { id, address }, weight }) =>
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
    const picker = build(policy, [counted]);
    for (let i = 0; i < 1_000; i++) pick(picker);
    expect(looks).toBeLessThanOrEqual(2_000);
  });
});

describe('round-robin', () => {
  it('gives each endpoint its turns within a round, evenly spread', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 8 }), seed, (given, random) => {
        const picker = build('round-robin', [slots(given)], random);
        const total = given.reduce((sum, weight) => sum + weight, 0);
        const order = Array.from({ length: 3 * total }, () => pick(picker).id);
        given.forEach((weight, n) => {
          for (let from = 0; from + total <= order.length; from++) {
            const turns = order.slice(from, from + total).filter((id) => id === `e${n}`).length;
            expect(Math.abs(turns - weight)).toBeLessThanOrEqual(1);
          }
        });
      }),
    );
  });

  it('goes on where it was after an update', () => {
    for (let random = 1; random < 20; random++) {
      const before = build('round-robin', [slots([1, 1, 1, 1])], random);
      const seen = [pick(before).id, pick(before).id];
      const after = build('round-robin', [slots([1, 1, 1, 1])], random + 100, before);
      seen.push(pick(after).id, pick(after).id);
      expect(new Set(seen).size).toBe(4);
    }
  });

  it('does not begin with the same endpoint in every process', () => {
    const firsts = new Set(
      Array.from({ length: 50 }, (_, random) => pick(build('round-robin', [slots([1, 1, 1])], random)).id),
    );
    expect(firsts.size).toBe(3);
  });
});

describe('least-request', () => {
  it.each([3, 8, 9, 100])('fills %i endpoints of equal weight evenly', (size) => {
    const picker = build('least-request', [slots(new Array<number>(size).fill(100))]);
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
    const [heavy, light] = slots([300, 100]);
    const picker = build('least-request', [[heavy, light].filter((slot) => slot !== undefined)]);
    for (let i = 0; i < 400; i++) pick(picker).inFlight++;
    expect(heavy?.endpoint.inFlight).toBeGreaterThanOrEqual(299);
    expect(light?.endpoint.inFlight).toBeGreaterThanOrEqual(99);
  });

  it('keeps away from one that answers nobody', () => {
    const given = slots(new Array<number>(20).fill(100));
    const [hung] = given;
    if (hung !== undefined) hung.endpoint.inFlight = 1_000;
    const found = counts(build('least-request', [given]), 10_000);
    expect(found.get('e0') ?? 0).toBeLessThan(100);
  });
});
