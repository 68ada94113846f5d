// `upstreams.<alias>.adaptiveConcurrency`: as many requests at a time as the upstream serves without queueing them.
import { z } from 'zod';
import { duration, integer, number } from './scalar.ts';

/** Becomes `ConcurrencyOptions` (src/upstream/options.ts); how it works stands in docs/overload.md. */
export const adaptiveConcurrency = z
  .strictObject({
    minLimit: integer(1, 100_000)
      .default(4)
      .describe('So many requests may always wait for an answer, over all endpoints.'),
    maxLimit: integer(1, 1_000_000).default(1_000).describe('Never more. Less than `minLimit` means `minLimit`.'),
    initialLimit: integer(1, 1_000_000).default(64).describe('Before anything has been measured.'),
    percentile: number(0.01, 0.99)
      .default(0.5)
      .describe('Of the times to the answers of one window, which is compared, and of those of a measurement.'),
    tolerance: number(0, 10)
      .default(0.25)
      .describe('Part by which answers may take longer than when little is under way before the limit shrinks.'),
    window: duration({ minMs: 10, maxMs: 60_000 })
      .prefault('100ms')
      .describe(
        'Between two changes of the limit, at least; longer where requests are few, or their answers take longer.',
      ),
    measure: z
      .strictObject({
        interval: duration({ minMs: 1_000 })
          .prefault('30s')
          .describe('How often the time to an answer is measured with half of the limit under way.'),
        jitter: number(0, 1)
          .default(0.15)
          .describe('Part of `interval` that is added by chance, so that sidecars do not measure together.'),
        requests: integer(10, 256).default(50).describe('Requests that make a measurement.'),
      })
      .prefault({})
      .describe('Finding out how long an answer takes when little is under way.'),
  })
  .transform(({ window, measure: { interval, ...measure }, ...rest }) => ({
    ...rest,
    windowMs: window,
    measure: { ...measure, intervalMs: interval },
  }));
