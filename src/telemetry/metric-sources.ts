// What the metrics ask others for at the moment of a scrape: values whose truth lives elsewhere.
import type { LineWriter } from './line-writer.ts';

/** Where an endpoint stands, as its picker sees it. */
export const ENDPOINT_STATES = ['available', 'ejected', 'suspect', 'unhealthy', 'disabled', 'draining'] as const;

export type EndpointState = (typeof ENDPOINT_STATES)[number];

/** Closed: traffic flows. Half-open: one probe at a time. Open: refused. In the order of the metric's values. */
export const BREAKER_STATES = ['closed', 'half-open', 'open'] as const;

export type BreakerState = (typeof BREAKER_STATES)[number];

/** Of the own record, as `RegistrationHandle.state`. */
export const REGISTRATION_STATES = [
  'pending',
  'registered',
  'at-risk',
  'lost',
  'conflict',
  'denied',
  'leaving',
  'gone',
] as const;

export type RegistrationStateName = (typeof REGISTRATION_STATES)[number];

/** One upstream as metrics show it. What is left out has no series, but for `breaker`, which is then closed. */
export interface UpstreamFacts {
  /** From the configuration or the registry. */
  readonly name: string;
  /** How many endpoints are in each state; a state that is left out has none. */
  readonly endpoints: Readonly<Partial<Record<EndpointState, number>>>;
  /** Doubted or failing endpoints are used like healthy ones. */
  readonly isPanicking?: boolean;
  readonly breaker?: BreakerState;
  /** Requests that took the fallback since the start, by cause. */
  readonly fallbacks?: Readonly<Record<string, number>>;
  /** What became of hedges since the start. */
  readonly hedges?: { readonly won: number; readonly lost: number; readonly refused: number };
  /** What is left of the retry budget, 0..1. */
  readonly retryBudgetRatio?: number;
  /** Age of what the registry last said, in ms; 0 for a static list. */
  readonly stalenessMs?: number;
  /** Requests on their way to an endpoint right now. */
  readonly inFlight?: number;
  readonly connections?: ConnectionFacts;
  /** Left out where no adaptive limit is configured. */
  readonly concurrency?: ConcurrencyFacts;
}

/** An upstream's adaptive limit on requests. */
export interface ConcurrencyFacts {
  readonly limit: number;
  readonly inFlight: number;
  /** Since the start. */
  readonly rejected: number;
  /** Time to an answer with little under way, and in the last window, in ms; undefined before the first. */
  readonly minRttMs?: number;
  readonly sampledRttMs?: number;
}

/** Connections to the endpoints of one upstream. */
export interface ConnectionFacts {
  readonly open: number;
  /** Since the start, as all that follow. */
  readonly opened: number;
  /** By reason. */
  readonly closed: Readonly<Record<string, number>>;
  readonly stale: number;
  /** Requests that were refused, by the limit of the upstream that was reached. */
  readonly overflows: Readonly<Record<string, number>>;
}

/** The registry as metrics show it. */
export interface RegistryFacts {
  /** The adapter's name. */
  readonly name: string;
  readonly isUp: boolean;
  /** Snapshot listeners that threw, since the start. */
  readonly listenerErrors?: number;
}

/** Whether this process runs out of something. */
export interface OverloadFacts {
  /** 0..1. */
  readonly memoryRatio: number;
  /** 0: below the watermarks, 1: above the soft one, 2: above the hard one. */
  readonly memory: number;
  /** 1 while the event loop is late. */
  readonly loop: number;
  /** 1 while no file descriptor is left. */
  readonly files: number;
  /** Connections that were turned away since the start, by direction and reason. */
  readonly refused: Readonly<Record<'inbound' | 'outbound', Readonly<Record<string, number>>>>;
}

/** Asked at every scrape; each answers at once. One that throws loses its own metrics, not the others. */
export interface MetricsSources {
  upstreams(): Iterable<UpstreamFacts>;
  registry(): RegistryFacts | undefined;
  /** Undefined for a sidecar without an own service. */
  registration(): RegistrationStateName | undefined;
  overload?(): OverloadFacts;
  connections(): { readonly inbound: number; readonly outbound: number };
  config(): { readonly generation: number; readonly lastReloadSuccessful: boolean };
  /** Log writers by their name (`access`, `process`), for what they dropped. */
  logs?(): Readonly<Record<string, Pick<LineWriter, 'droppedLines'>>>;
}
