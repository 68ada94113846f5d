// `upstreams.<alias>.outlier`: leaving out endpoints that keep failing, or that stand out among the others.
import { z } from 'zod';
import { duration, flag, integer, number } from './scalar.ts';

const successRate = z
  .strictObject({
    minRequests: integer(1, 1_000_000)
      .default(30)
      .describe('Attempts within `interval`, of the endpoint and of all others, below which nothing is compared.'),
    margin: number(0, 1)
      .default(0.1)
      .describe('So much larger has its share of failures to be than that of all others together; 1 = never.'),
    deviations: number(0, 100)
      .default(4)
      .describe('So many standard deviations too, which is what chance alone would explain (test of two proportions).'),
    immediate: flag()
      .default(true)
      .describe(
        'Ejects it with the very failure that makes this certain, from five on: a copy that begins to fail half of its requests ' +
          'is out after about ten failures. `false`: at the end of an `interval` only.',
      ),
  })
  .prefault({})
  .describe(
    'Ejects an endpoint whose share of failures (no valid answer, any 5xx) stands out among the others. It is compared with ' +
      'the rest, not with a mean that it is part of, so that it works from two endpoints on.',
  );

const latency = z
  .strictObject({
    minRequests: integer(1, 1_000_000).default(30).describe('Attempts within `interval` below which it is not judged.'),
    factor: number(0, 1_000)
      .default(5)
      .describe("Its median time to an answer's head is so many times the others'; 0 = never."),
    minDifference: duration()
      .prefault('250ms')
      .describe('And so much longer: what is fast enough is not ejected for being slower than what is faster.'),
  })
  .transform(({ minDifference, ...rest }) => ({ ...rest, minDifferenceMs: minDifference }))
  .prefault({})
  .describe(
    'Ejects an endpoint that is far slower than the others. Trap: not where each serves its own part of the data.',
  );

/** `upstreams.<alias>.outlier`. */
export const outlier = z
  .strictObject({
    consecutiveFailures: integer(0, 1000)
      .default(5)
      .describe(
        'Failures in a row (connect, reset, timeout, no valid answer, 502–504) that eject an endpoint; 0 = never.',
      ),
    consecutiveGatewayErrors: integer(0, 1000)
      .optional()
      .describe('Answers 502, 503 or 504 without a success between; 0 = never. Default: `consecutiveFailures`.'),
    consecutiveLocalErrors: integer(0, 1000)
      .optional()
      .describe(
        'Failures to get a valid answer, without a success between; 0 = never. Default: `consecutiveFailures`.',
      ),
    interval: duration({ minMs: 100 }).prefault('10s').describe('Endpoints are compared with each other once in it.'),
    successRate,
    latency,
    baseEjection: duration()
      .prefault('5s')
      .describe(
        'Length of the first ejection; doubles with each further one, and shrinks again while the endpoint is well.',
      ),
    maxEjection: duration().prefault('2m').describe('Longest ejection.'),
    maxEjectedRatio: number(0, 1)
      .default(0.5)
      .describe(
        'Share of endpoints ejected at the same time. One may always be, the last one never; those that refuse connections come on top.',
      ),
  })
  .transform(({ interval, baseEjection, maxEjection, ...rest }) => ({
    ...rest,
    consecutiveGatewayErrors: rest.consecutiveGatewayErrors ?? rest.consecutiveFailures,
    consecutiveLocalErrors: rest.consecutiveLocalErrors ?? rest.consecutiveFailures,
    intervalMs: interval,
    baseEjectionMs: baseEjection,
    maxEjectionMs: maxEjection,
  }));
