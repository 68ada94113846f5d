// `upstreams:` how the services that the app calls are called. `"*"` is merged under each alias (config/resolve.ts).
import { z } from 'zod';
import { duration, flag, integer, number, text } from './scalar.ts';
import {
  balancer,
  panicThreshold,
  priority,
  slowStart,
  sticky,
  subset,
  subsetFallback,
  zone,
} from './upstream-balancer.ts';
import { breaker } from './upstream-breaker.ts';
import { adaptiveConcurrency } from './upstream-concurrency.ts';
import { buffer } from './upstream-buffer.ts';
import { fallback } from './upstream-fallback.ts';
import { hedging } from './upstream-hedging.ts';
import { upstreamHealth } from './upstream-health.ts';
import { limits } from './upstream-limits.ts';
import { outlier } from './upstream-outlier.ts';

const RETRY_REASONS = ['connect', 'reset-before-response', 'attempt-timeout'] as const;
const retryReason = 'connect, reset-before-response, attempt-timeout, or a status from 400 to 599';

/** `upstreams.<alias>.connect`: connections to one endpoint. */
export const connect = z
  .strictObject({
    timeout: duration()
      .prefault('300ms')
      .describe('Time to establish one connection. Trap: across regions, a handshake alone can take that long.'),
    minIdle: integer(0, 1_024)
      .default(0)
      .describe(
        'Idle connections that are kept ready for each endpoint that takes traffic, made before they are needed: a burst, or ' +
          'the first request to a new copy, then waits for no handshake. They are renewed after `idleTimeout`. Trap: every ' +
          'sidecar keeps as many for every copy.',
      ),
    maxIdle: integer(0, 65_535)
      .default(256)
      .describe('Idle connections kept for one endpoint; 0 = a connection is never used again.'),
    idleTimeout: duration()
      .prefault('4s')
      .describe(
        'An idle connection is closed after this time. It is not used again after 80 % of what the endpoint announces ' +
          '(`Keep-Alive: timeout`) or is seen to keep; see [connections](connections.md).',
      ),
    maxAge: duration({ minMs: 0 })
      .prefault('0')
      .describe(
        'A connection that is so old, give or take 10 %, ends with its exchange; 0 = never. For addresses behind which a ' +
          'load balancer stands: new connections reach new machines.',
      ),
    max: integer(1, 65_535).default(1024).describe('Connections to one endpoint; requests beyond them wait for one.'),
  })
  .refine(({ minIdle, maxIdle, max }) => minIdle <= Math.min(maxIdle, max), {
    path: ['minIdle'],
    error: 'at most maxIdle and max',
  })
  .transform(({ timeout, idleTimeout, maxAge, ...rest }) => ({
    ...rest,
    timeoutMs: timeout,
    idleTimeoutMs: idleTimeout,
    maxAgeMs: maxAge,
  }));

/** `upstreams.<alias>.timeout`: every wait has a bound; there is no "never". */
export const timeout = z
  .strictObject({
    request: duration()
      .prefault('15s')
      .describe("From the request's head to the answer's head, all attempts together."),
    attempt: duration().prefault('5s').describe('The same of one attempt. Longer than `request` means `request`.'),
    hang: z
      .union([z.enum(['auto', 'off']), duration({ minMs: 10 })], { error: 'auto, off, or a duration such as 200ms' })
      .default('auto')
      .describe(
        'Silence after which an endpoint is asked whether it lives (`OPTIONS *`): where it does not answer that either, it is ' +
          'left out and what waits for it goes elsewhere, long before `attempt`. `auto`: twice the 99th percentile of ' +
          'what this upstream takes, from 100 ms. An endpoint that answers anything may take its time.',
      ),
    stall: duration()
      .prefault('5s')
      .describe('An announced body of which nothing comes although the reader is willing.'),
    idle: duration().prefault('5m').describe('No byte in either direction: streams, tunnels, slow readers.'),
  })
  .transform(({ request, attempt, hang, stall, idle }) => ({
    requestMs: request,
    attemptMs: attempt,
    hang,
    stallMs: stall,
    idleMs: idle,
  }));

const retryOn = z.union(
  [z.enum(RETRY_REASONS), z.int().min(400, { error: retryReason }).max(599, { error: retryReason })],
  { error: retryReason },
);

/** `upstreams.<alias>.retry`: when another endpoint is tried. */
export const retry = z
  .strictObject({
    attempts: integer(1, 10).default(3).describe('Tries in all, the first included; 1 = never again.'),
    on: z
      .array(retryOn, { error: 'a list of reasons' })
      .default(['connect', 'reset-before-response', 'attempt-timeout', 502, 503, 504])
      .describe(
        'Reasons for another try: `connect` (nothing was sent), `reset-before-response`, `attempt-timeout`, and statuses. ' +
          'What may have been executed is tried again for idempotent methods only, whatever stands here.',
      ),
    idempotencyKey: flag()
      .default(false)
      .describe(
        'A request with an `Idempotency-Key` counts as idempotent, whatever its method. Trap: only where the app remembers ' +
          'keys, and answers a repeated one without executing it.',
      ),
    budget: z
      .strictObject({
        ratio: number(0, 1).default(0.2).describe('Retries per request, over the last ten seconds.'),
        minPerSecond: integer(0, 100_000).default(10).describe('Retries a second that are always allowed.'),
      })
      .prefault({})
      .describe('Share of traffic that may be retries, so that an overload is not made worse.'),
  })
  .transform(({ on, ...rest }) => ({
    ...rest,
    on: {
      connect: on.includes('connect'),
      resetBeforeResponse: on.includes('reset-before-response'),
      attemptTimeout: on.includes('attempt-timeout'),
      statuses: on.filter((reason) => typeof reason === 'number'),
    },
  }));

/** One entry of `upstreams:`. */
export const upstream = z
  .strictObject({
    balancer: balancer
      .prefault('least-request')
      .describe(
        '`least-request`: of two random endpoints the one with less in flight. `round-robin`. `random`. `peak-ewma`: the one ' +
          'expected to answer sooner. `ring-hash`, `maglev`: the same key to the same endpoint. All by weight. See [balancing](balancing.md).',
      ),
    subset,
    subsetFallback,
    zone: zone.prefault({}).describe('Endpoints of our own zone first.'),
    priority: priority.prefault({}).describe('Levels of endpoints: a higher one stands by for the lower ones.'),
    panicThreshold,
    slowStart,
    sticky,
    connect: connect.prefault({}).describe('Connections to one endpoint.'),
    timeout: timeout.prefault({}).describe('Bounds on waiting.'),
    retry: retry.prefault({}).describe('When another endpoint is tried.'),
    buffer: buffer
      .optional()
      .describe(
        'Holds answers to requests that may be executed twice until they are complete: one that breaks off is tried again ' +
          'instead of breaking off at the client. Trap: the head comes as late as the end. See [resilience](resilience.md#answers-that-break-off).',
      ),
    hedging,
    outlier: outlier.prefault({}).describe('Leaving out endpoints that keep failing.'),
    health: upstreamHealth
      .optional()
      .describe('Asking each endpoint whether it is well. Without it, what its traffic says has to do.'),
    limits: limits
      .prefault({})
      .describe('What may be under way; beyond it 503 `PF_OVERFLOW`, at once. See [overload](overload.md).'),
    adaptiveConcurrency: adaptiveConcurrency
      .optional()
      .describe(
        'A limit on requests that wait for an answer, learned from how long answers take: beyond it 503 `PF_OVERFLOW`, at once. ' +
          '`{}` switches it on; without it there is none. See [overload](overload.md#adaptive-concurrency).',
      ),
    breaker: breaker.prefault({}).describe('Refusing at once what the upstream as a whole cannot answer.'),
    fallback,
    service: z
      .strictObject({
        namespace: text('a namespace').default('default').describe('Namespace in the registry.'),
        group: text('a group').default('default').describe('Group in the registry.'),
        name: text('the name of a service').optional().describe('Name in the registry. Default: the alias.'),
      })
      .prefault({})
      .describe('The service behind the alias, for names that a Host cannot spell. Not under `"*"`.'),
  })
  .transform(({ slowStart: slowStartMs, ...rest }) => ({ ...rest, slowStartMs }))
  .describe('How one service is called; the key is the name that the app calls. `"*"` holds defaults for all.');

const alias = z
  .string()
  .regex(/^(?:\*|[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?)$/, { error: 'a host name in lower case, or "*"' });

/** `upstreams:` whole. Each entry is checked by itself here; merging and defaults come after (config/resolve.ts). */
export const upstreams = z
  .record(alias, upstream)
  .default({})
  .describe('How services are called. Those named here are watched from the start, others from their first call on.');
