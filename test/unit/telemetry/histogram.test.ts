import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DURATION_BUCKETS, Histogram } from '../../../src/telemetry/histogram.ts';

test('counts as prom-client does', async () => {
  const { Histogram: Reference, Registry } = await import('prom-client');
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constantFrom(...DURATION_BUCKETS, Number.MAX_VALUE)),
      ),
      async (values) => {
        const ours = new Histogram();
        const reference = new Reference({
          name: 'x',
          help: 'x',
          buckets: [...DURATION_BUCKETS],
          registers: [new Registry()],
        });
        for (const value of values) {
          ours.observe(value);
          reference.observe(value);
        }
        const readings = (await reference.get()).values;
        const buckets = readings.filter((reading) => reading.metricName === 'x_bucket').map((reading) => reading.value);
        expect(ours.cumulated()).toEqual(buckets);
        expect(ours.sum).toBe(readings.find((reading) => reading.metricName === 'x_sum')?.value);
      },
    ),
    { numRuns: 50 },
  );
});

test('leaves out what is no number', () => {
  const histogram = new Histogram([1]);
  histogram.observe(Number.NaN);
  histogram.observe(1);
  histogram.observe(1.01);
  expect(histogram.cumulated()).toEqual([1, 2]);
  expect(histogram.sum).toBeCloseTo(2.01);
});

test('bounds are ascending', () => {
  expect([...DURATION_BUCKETS].sort((a, b) => a - b)).toEqual(DURATION_BUCKETS);
});
