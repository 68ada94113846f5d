import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxEjected, OutlierRecord } from '../../../src/upstream/outlier.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { UPSTREAM_DEFAULTS, type OutlierOptions } from '../../../src/upstream/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS } from './fakes.ts';

const OPTIONS: OutlierOptions = UPSTREAM_DEFAULTS.outlier;

describe('how many may be ejected', () => {
  it('is 0 of one, 1 of two, 2 of three with a share of one half', () => {
    expect([0, 1, 2, 3, 4, 5, 10, 30].map((size) => maxEjected(size, 0.5))).toEqual([0, 0, 1, 2, 2, 3, 5, 15]);
    expect(maxEjected(30, 0.1)).toBe(3);
  });

  it('is never all, always one of two or more, and grows with both size and share', () => {
    const ratio = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), ratio, ratio, (size, a, b) => {
        const allowed = maxEjected(size, Math.min(a, b));
        expect(Number.isInteger(allowed)).toBe(true);
        expect(allowed).toBeLessThanOrEqual(Math.max(0, size - 1));
        if (size >= 2) expect(allowed).toBeGreaterThanOrEqual(1);
        expect(maxEjected(size, Math.max(a, b))).toBeGreaterThanOrEqual(allowed);
        expect(maxEjected(size + 1, Math.min(a, b))).toBeGreaterThanOrEqual(allowed);
      }),
    );
  });
});

describe('an ejection', () => {
  /** Lengths of ejections in a row, each ended at its time, with `wellMs` of successes between. */
  function lengths(count: number, wellMs: number): number[] {
    const record = new OutlierRecord(OPTIONS);
    let nowMs = 1_000;
    return Array.from({ length: count }, () => {
      record.eject('failures', nowMs);
      const lengthMs = (record.ejectedUntilMs ?? 0) - nowMs;
      nowMs += lengthMs;
      record.readmit(nowMs);
      if (wellMs > 0) record.succeeded(nowMs + wellMs);
      nowMs += wellMs;
      return lengthMs;
    });
  }

  it('is twice as long each time, up to a bound', () => {
    expect(lengths(7, 0)).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 120_000, 120_000]);
  });

  it('is shorter again after the endpoint was well for a while', () => {
    expect(lengths(4, 5_000)).toEqual([5_000, 5_000, 5_000, 5_000]);
    const record = new OutlierRecord(OPTIONS);
    for (let time = 0; time < 4; time++) {
      record.eject('failures', 1_000);
      record.readmit(1_000);
    }
    record.succeeded(1_000 + 10_000);
    record.eject('failures', 20_000);
    expect(record.ejectedUntilMs).toBe(20_000 + 20_000);
  });

  it('does not count silence as being well', () => {
    const record = new OutlierRecord(OPTIONS);
    record.eject('failures', 1_000);
    record.readmit(6_000);
    record.eject('failures', 60_000);
    expect(record.ejectedUntilMs).toBe(70_000);
  });
});

type Step =
  | { readonly kind: 'fail' | 'succeed' | 'misdirect'; readonly who: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'list'; readonly size: number };

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('fail' as const, 'fail' as const, 'succeed' as const, 'misdirect' as const),
      who: fc.nat(5),
    }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
    fc.record({ kind: fc.constant('list' as const), size: fc.integer({ min: 0, max: 6 }) }),
  ),
  { maxLength: 120 },
);

describe('whatever happens to an upstream of up to six', () => {
  it('never has more ejected than allowed, and one to pick while one is registered', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), fc.boolean(), async (given, threshold, isRefusing) => {
        const clock = new FakeClock();
        const watch = new FakeWatch();
        const network = new FakeNetwork(clock);
        if (isRefusing) for (let n = 0; n < 7; n++) network.refusing.add(`10.0.0.${n}:80`);
        const outlier = {
          ...OPTIONS,
          consecutiveFailures: threshold,
          consecutiveGatewayErrors: threshold,
          consecutiveLocalErrors: threshold,
        };
        const upstream = new Upstream(
          { name: 'orders', key: ORDERS, options: optionsWith({ outlier }), isKnown: true },
          { clock, connect: network.connect, watch: watch.service },
        );
        watch.give([instance(1), instance(2), instance(3)]);
        for (const step of given) await take(step);
        upstream.close();
        await clock.advance(1);
        expect(clock.timers).toBe(0);

        async function take(step: Step): Promise<void> {
          const endpoints = [...upstream.endpoints];
          const who = 'who' in step ? endpoints[step.who % Math.max(1, endpoints.length)] : undefined;
          if (step.kind === 'wait') await clock.advance(step.ms);
          else if (step.kind === 'list') watch.give(Array.from({ length: step.size }, (_, n) => instance(n + 1)));
          else if (step.kind === 'fail') who?.claim(clock.now()).settle('reset', clock.now());
          else if (step.kind === 'succeed') who?.claim(clock.now()).settle('success', clock.now());
          else if (who !== undefined) upstream.eject(who, 'misdirected');
          const now = [...upstream.endpoints];
          const ejected = now.filter((endpoint) => endpoint.outlier.isEjected);
          const others = ejected.filter(({ pool }) => !pool.isRefused);
          expect(others.length).toBeLessThanOrEqual(maxEjected(now.length, OPTIONS.maxEjectedRatio));
          expect(ejected.length).toBeLessThanOrEqual(Math.max(0, now.length - 1));
          const result = upstream.picker.pick(makeRequest());
          expect(result.kind).toBe(now.length === 0 ? 'unavailable' : 'picked');
          if (result.kind === 'picked') expect(result.endpoint.outlier.isEjected).toBe(false);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('an endpoint that asked to be left alone (Retry-After)', () => {
  it('is not ejected for that, but for as long as it asked once it is, within the bounds', () => {
    for (const [askedMs, expected] of [
      [undefined, 5_000],
      [1_000, 5_000],
      [60_000, 60_000],
      [3_600_000, 120_000],
    ] as const) {
      const record = new OutlierRecord(OPTIONS);
      record.asked(askedMs, 1_000);
      expect(record.isEjected).toBe(false);
      record.eject('failures', 1_000);
      expect(record.ejectedUntilMs).toBe(1_000 + expected);
    }
  });
});
