// How one upstream is called: the fields of `upstreams.<alias>` (config/schema/upstreams.ts) as this folder and resilience/ read them.
import type { PolicyOptions, PriorityOptions, StickyOptions, ZoneOptions } from '../balancer/options.ts';
import type { Labels } from '../util/labels.ts';
import type { FallbackCause } from './fallback-view.ts';
import type { HealthProbe } from './health-probe.ts';

/** Connections to one endpoint. */
export interface ConnectOptions {
  /** To establish one connection, in ms. */
  readonly timeoutMs: number;
  /** Idle connections that are made before they are needed; at most `maxIdle`. */
  readonly minIdle: number;
  /** Idle connections kept; 0: a connection is never used again. */
  readonly maxIdle: number;
  /** An idle connection is closed after this time, in ms. */
  readonly idleTimeoutMs: number;
  /** A connection is not used again once it is so old, ± 10 %, in ms; 0 = at any age. */
  readonly maxAgeMs: number;
  /** Connections, idle, busy and being made; requests beyond them wait for one. */
  readonly max: number;
}

/** Bounds on waiting, in ms; 0 = none (which configuration cannot say, but our own app's upstream does). */
export interface TimeoutOptions {
  /** To the answer's head, all attempts together. */
  readonly requestMs: number;
  /** To the answer's head, of one attempt. */
  readonly attemptMs: number;
  /** After so many ms without any answer the endpoint is asked whether it lives; `auto`: learned (hang-watch.ts). */
  readonly hang: 'auto' | 'off' | number;
  /** An announced body, a willing reader, and nothing comes. */
  readonly stallMs: number;
  /** No byte in either direction. */
  readonly idleMs: number;
}

/** Reasons for another try. What may have been executed is tried again for idempotent methods only, whatever stands here. */
export interface RetryOn {
  /** Nothing was sent, or the other side promises that nothing was executed. */
  readonly connect: boolean;
  readonly resetBeforeResponse: boolean;
  readonly attemptTimeout: boolean;
  /** Statuses of answers. */
  readonly statuses: readonly number[];
}

export interface RetryOptions {
  /** Tries in all, ≥ 1. */
  readonly attempts: number;
  readonly on: RetryOn;
  /** A request with `Idempotency-Key` may be executed twice, whatever its method. */
  readonly idempotencyKey: boolean;
  readonly budget: {
    /** Retries per request over the last ten seconds, 0..1. */
    readonly ratio: number;
    /** Retries a second that are always allowed. */
    readonly minPerSecond: number;
  };
}

/** Holding answers until they are complete. */
export interface BufferOptions {
  readonly enabled: boolean;
  /** Longer answers stream, in bytes of content. */
  readonly maxBytes: number;
  /** What is not complete so long after its head streams, in ms. */
  readonly waitMs: number;
}

/** When an endpoint that keeps failing is left out. */
export interface OutlierOptions {
  /** Failures in a row, of whatever kind; 0 = never, here and below. */
  readonly consecutiveFailures: number;
  /** Answers 502, 503, 504 without a success between. */
  readonly consecutiveGatewayErrors: number;
  /** Failures to get a valid answer without a success between. */
  readonly consecutiveLocalErrors: number;
  /** Between two comparisons of endpoints with each other, in ms. */
  readonly intervalMs: number;
  readonly successRate: {
    /** Attempts of the endpoint, and of the others, below which nothing is compared. */
    readonly minRequests: number;
    /** So much larger is its share of failures than the others', 0..1; 1 = never. */
    readonly margin: number;
    /** And by so many standard deviations. */
    readonly deviations: number;
    /** Not only at the end of an interval: with the failure that makes it certain (failure-share.ts). */
    readonly immediate: boolean;
  };
  readonly latency: {
    readonly minRequests: number;
    /** Its median is so many times the others'; 0 = never. */
    readonly factor: number;
    /** And so much longer, in ms. */
    readonly minDifferenceMs: number;
  };
  /** First ejection, in ms; doubles with each further one. */
  readonly baseEjectionMs: number;
  /** Longest ejection, in ms. */
  readonly maxEjectionMs: number;
  /** Share of the endpoints ejected at the same time, 0..1, rounded up; see `maxEjected`. */
  readonly maxEjectedRatio: number;
}

/** Asking endpoints whether they are well. */
export interface CheckOptions {
  readonly probe: HealthProbe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Passing checks in a row that bring an unhealthy endpoint back. */
  readonly rise: number;
  /** Failing checks in a row that make one unhealthy. */
  readonly fall: number;
}

/** When an upstream as a whole is not called for a while. */
export interface BreakerOptions {
  readonly enabled: boolean;
  /** Failures in a row that are not recoverable; 0 = never. */
  readonly consecutiveFailures: number;
  /** Share of failing attempts within the window, 0..1. */
  readonly errorRatio: number;
  /** Attempts within the window below which the share says nothing. */
  readonly minRequests: number;
  readonly windowMs: number;
  /** Before the first probe, in ms. */
  readonly openMs: number;
  /** Longest time between two probes, in ms. */
  readonly maxOpenMs: number;
  /** Probes in a row that have to succeed, one at a time, ≥ 1. */
  readonly probes: number;
  /** Opens where traffic drops and errors rise. */
  readonly trafficDrop: boolean;
}

/** What may be under way over all endpoints of an upstream; what is beyond fails at once (PF_OVERFLOW). */
export interface LimitOptions {
  /** An endpoint that has none may have one beyond; others wait for one of their own. */
  readonly connections: number;
  /** Waiting for a connection, or for the first list. */
  readonly pending: number;
  readonly requests: number;
  readonly retries: number;
}

/** When another attempt is made beside one that takes long. */
export interface HedgingOptions {
  /** Fixed, or a quantile (0..1) of what the upstream takes to an answer's head. */
  readonly delay: { readonly kind: 'fixed'; readonly ms: number } | { readonly kind: 'quantile'; readonly q: number };
  /** Beside the first one, ≥ 1. */
  readonly maxExtra: number;
}

/** A fixed answer. */
export interface FallbackAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: without content. */
  readonly body: { content(): Buffer } | undefined;
}

/** What a caller is given in place of the failure of the whole upstream: either of `answer` and `upstream`. */
export interface FallbackOptions {
  readonly reasons: readonly FallbackCause[];
  /** Of answers, from 500 on. */
  readonly statuses: readonly number[];
  readonly answer: FallbackAnswer | undefined;
  readonly upstream: string | undefined;
}

/** A limit on requests that wait for an answer, learned from how long answers take (resilience/concurrency-limit.ts). */
export interface ConcurrencyOptions {
  readonly minLimit: number;
  readonly maxLimit: number;
  readonly initialLimit: number;
  /** Of the times to an answer that are compared, 0..1. */
  readonly percentile: number;
  /** Part by which answers may take longer than when little is under way, ≥ 0. */
  readonly tolerance: number;
  /** Between two changes, at least, in ms. */
  readonly windowMs: number;
  /** Finding out how long an answer takes when little is under way. */
  readonly measure: {
    readonly intervalMs: number;
    /** Part of it that is added by chance, 0..1. */
    readonly jitter: number;
    readonly requests: number;
  };
}

/** A `Config`'s upstream has this shape. */
export interface UpstreamOptions {
  readonly balancer: PolicyOptions;
  /** The part of the service that is called; undefined: all of it. */
  readonly subset?: Labels | undefined;
  /** What a part that has nobody means: nobody, or anybody. */
  readonly subsetFallback: 'none' | 'any';
  readonly zone: ZoneOptions;
  readonly priority: PriorityOptions;
  /** Below this share of endpoints that can be used all are, failing ones too, 0..1. */
  readonly panicThreshold: number;
  /** Undefined: endpoints begin with their whole weight. */
  readonly slowStartMs?: number | undefined;
  readonly sticky?: StickyOptions | undefined;
  readonly connect: ConnectOptions;
  readonly timeout: TimeoutOptions;
  readonly retry: RetryOptions;
  /** Undefined: answers stream. */
  readonly buffer?: BufferOptions | undefined;
  readonly outlier: OutlierOptions;
  /** Undefined: nobody is asked. */
  readonly health?: CheckOptions | undefined;
  readonly breaker: BreakerOptions;
  readonly limits: LimitOptions;
  /** Undefined: one attempt at a time. */
  readonly hedging?: HedgingOptions | undefined;
  /** Undefined: its failure is what the caller is given. */
  readonly fallback?: FallbackOptions | undefined;
  /** Undefined: no such limit. */
  readonly adaptiveConcurrency?: ConcurrencyOptions | undefined;
}

/** For our own app: its listener has limits. */
export const NO_LIMITS: LimitOptions = {
  connections: Infinity,
  pending: Infinity,
  requests: Infinity,
  retries: Infinity,
};

/** DESIGN §4; configuration has the same defaults. */
export const UPSTREAM_DEFAULTS: UpstreamOptions = {
  balancer: { policy: 'least-request' },
  subsetFallback: 'none',
  zone: { prefer: true, own: undefined, share: undefined, overprovisioning: 1.4 },
  priority: { metadata: 'priority', levels: [], overprovisioning: 1.4 },
  panicThreshold: 0.1,
  limits: { connections: 16_384, pending: 4_096, requests: 16_384, retries: 1_024 },
  connect: { timeoutMs: 300, minIdle: 0, maxIdle: 256, idleTimeoutMs: 4_000, maxAgeMs: 0, max: 1_024 },
  timeout: { requestMs: 15_000, attemptMs: 5_000, hang: 'auto', stallMs: 5_000, idleMs: 300_000 },
  retry: {
    attempts: 3,
    on: { connect: true, resetBeforeResponse: true, attemptTimeout: true, statuses: [502, 503, 504] },
    idempotencyKey: false,
    budget: { ratio: 0.2, minPerSecond: 10 },
  },
  outlier: {
    consecutiveFailures: 5,
    consecutiveGatewayErrors: 5,
    consecutiveLocalErrors: 5,
    intervalMs: 10_000,
    successRate: { minRequests: 30, margin: 0.1, deviations: 4, immediate: true },
    latency: { minRequests: 30, factor: 5, minDifferenceMs: 250 },
    baseEjectionMs: 5_000,
    maxEjectionMs: 120_000,
    maxEjectedRatio: 0.5,
  },
  breaker: {
    enabled: true,
    consecutiveFailures: 100,
    errorRatio: 0.8,
    minRequests: 100,
    windowMs: 10_000,
    openMs: 250,
    maxOpenMs: 5_000,
    probes: 1,
    trafficDrop: true,
  },
};
