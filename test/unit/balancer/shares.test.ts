// How traffic is divided over priority levels and zones: sums, bounds, panic.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { levelLoads, type LevelHealth } from '../../../src/balancer/priority.ts';
import { ownZoneShare } from '../../../src/balancer/zone.ts';

const RULES = { overprovisioning: 1.4, panicThreshold: 0.1 };
const level = fc.record({ healthy: fc.nat(50), doubted: fc.nat(50), failing: fc.nat(50) });

function shares(levels: readonly LevelHealth[], rules = RULES): number[] {
  return levelLoads(levels, rules).map(({ share }) => Math.round(share * 1_000) / 1_000);
}

function health(healthy: number, failing = 0, doubted = 0): LevelHealth {
  return { healthy, failing, doubted };
}

describe('priority levels', () => {
  it.each([
    ['all healthy', [health(10), health(10)], [1, 0]],
    ['72 % healthy', [health(72, 28), health(10)], [1, 0]],
    ['half healthy', [health(5, 5), health(10)], [0.7, 0.3]],
    ['nobody healthy', [health(0, 10), health(10)], [0, 1]],
    ['three levels', [health(1, 3), health(1, 3), health(4)], [0.35, 0.35, 0.3]],
    ['too little altogether', [health(1, 4), health(1, 4)], [0.5, 0.5]],
    ['one level', [health(1, 4)], [1]],
  ])('with %s divide the requests as Envoy does', (_, levels, expected) => {
    expect(shares(levels)).toEqual(expected);
  });

  it('carry everything together, whoever is healthy, as long as anybody is there', () => {
    fc.assert(
      fc.property(fc.array(level, { maxLength: 6 }), (levels) => {
        const loads = levelLoads(levels, RULES);
        const total = loads.reduce((sum, { share }) => sum + share, 0);
        const isAnybody = levels.some(({ healthy, doubted, failing }) => healthy + doubted + failing > 0);
        expect(total).toBeCloseTo(isAnybody ? 1 : 0, 9);
        loads.forEach(({ share, panic }, n) => {
          const { healthy = 0, doubted = 0, failing = 0 } = levels[n] ?? {};
          const usable = healthy + (panic === 'none' ? 0 : doubted) + (panic === 'all' ? failing : 0);
          expect(share).toBeGreaterThanOrEqual(0);
          if (usable === 0) expect(share).toBe(0);
        });
      }),
    );
  });

  it('do not panic while they can carry everything together', () => {
    expect(levelLoads([health(0, 10), health(10)], RULES).map(({ panic }) => panic)).toEqual(['none', 'none']);
    expect(levelLoads([health(3, 0, 97), health(10)], RULES).map(({ panic }) => panic)).toEqual(['none', 'none']);
  });

  it.each([
    ['doubted are more than the healthy', health(3, 0, 97), 'doubted'],
    ['doubted are as many', health(5, 0, 5), 'none'],
    ['fewer than a tenth can be used', health(1, 10), 'all'],
    ['a tenth can be used', health(1, 9), 'none'],
    ['nobody can be used', health(0, 1), 'all'],
    ['nobody is there', health(0), 'none'],
  ] as const)('panic: %s', (_, given, expected) => {
    expect(levelLoads([given], RULES)[0]?.panic).toBe(expected);
  });
});

describe('our zone', () => {
  it.each([
    ['as many here as elsewhere', 2, 6, 3, 1],
    ['one of two here has failed', 1, 5, 3, 0.84],
    ['few here', 1, 10, 2, 0.28],
    ['nobody here', 0, 4, 3, 0],
    ['nobody elsewhere', 1, 1, 1, 1],
  ])('keeps its share: %s', (_, ownWeight, totalWeight, zones, expected) => {
    const share = ownZoneShare({ ownWeight, totalWeight, callerShare: 1 / zones, overprovisioning: 1.4 });
    expect(share).toBeCloseTo(expected, 9);
  });

  it('never gives its endpoints more than 1.4 times the mean, when callers are where they are said to be', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (ownWeight, otherWeight, callerShare) => {
          const totalWeight = ownWeight + otherWeight;
          const stays = ownZoneShare({ ownWeight, totalWeight, callerShare, overprovisioning: 1.4 });
          expect(stays).toBeGreaterThan(0);
          expect(stays).toBeLessThanOrEqual(1);
          expect((stays * callerShare) / ownWeight).toBeLessThanOrEqual((1.4 / totalWeight) * (1 + 1e-9));
        },
      ),
    );
  });
});
