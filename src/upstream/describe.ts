// What an operator sees of upstreams: plain objects, made when somebody asks.
import type { EndpointState, UpstreamFacts } from '../telemetry/metric-sources.ts';
import { keyText } from '../registry/types.ts';
import type { BreakerDescription } from './breaker-view.ts';
import type { Endpoint } from './endpoint.ts';
import type { OutcomeCounts } from './outcome.ts';
import { placementOf } from './placement.ts';
import type { PoolDescription } from './pool.ts';
import type { Upstream } from './upstream.ts';
import type { UpstreamEntry } from './upstreams.ts';
import { wayBack } from './way-back.ts';

/** One endpoint: in or out, and why. */
export interface EndpointDescription {
  readonly id: string;
  readonly address: string;
  readonly state: EndpointState;
  /** Whether and when it is picked, and for what reason. */
  readonly why: string;
  /** In this state. */
  readonly stateForMs: number;
  /** What it would take to be picked first again; absent where it is. */
  readonly back?: string;
  /** What the registry says. */
  readonly health: string;
  readonly weight: number;
  readonly zone?: string;
  /** Since this process knows it. */
  readonly ageMs: number;
  readonly inFlight: number;
  /** Smoothed, to the answer's head; absent before the first answer. */
  readonly latencyMs?: number;
  readonly consecutiveFailures: number;
  readonly ejections: number;
  /** Absent while not ejected; also while a re-admission is tried. */
  readonly ejectedForMs?: number;
  readonly attempts: OutcomeCounts;
  readonly connections: PoolDescription;
}

/** One upstream. */
export interface UpstreamDescription {
  readonly name: string;
  readonly service: string;
  readonly balancer: string;
  /** Of the watch. */
  readonly state: string;
  readonly origin?: string;
  readonly stalenessMs: number;
  readonly isConfigured: boolean;
  /** Doubted endpoints are used like the others, since too few others are left. */
  readonly isPanicking: boolean;
  /** Requests that wait for the first list. */
  readonly queued: number;
  readonly retryBudgetRatio: number;
  /** Absent where configuration has none. */
  readonly breaker?: BreakerDescription;
  readonly attempts: OutcomeCounts;
  readonly endpoints: readonly EndpointDescription[];
  /** Records that could not be used. */
  readonly rejected: readonly { readonly ref: string; readonly reason: string }[];
}

/** @param nowMs monotonic. */
export function describeUpstream(entry: UpstreamEntry, nowMs: number): UpstreamDescription {
  const { upstream, call, isConfigured } = entry;
  const snapshot = upstream.view?.snapshot;
  return {
    name: upstream.name,
    service: keyText(upstream.key),
    balancer: upstream.options.balancer,
    state: upstream.state,
    ...(snapshot === undefined ? {} : { origin: snapshot.origin }),
    stalenessMs: Math.round(upstream.stalenessMs),
    isConfigured,
    isPanicking: upstream.isPanicking,
    queued: upstream.queue.size,
    retryBudgetRatio: call.budget.ratioLeft(nowMs),
    ...(call.breaker === undefined ? {} : { breaker: call.breaker.describe(nowMs) }),
    attempts: { ...upstream.outcomes },
    endpoints: known(upstream).map((endpoint) => describeEndpoint(endpoint, nowMs)),
    rejected: snapshot?.rejected ?? [],
  };
}

/** @param nowMs monotonic. */
export function describeEndpoint(endpoint: Endpoint, nowMs: number): EndpointDescription {
  const { instance, outlier, latencyMs } = endpoint;
  const { state, why } = placementOf(endpoint, nowMs);
  const { ejectedUntilMs } = outlier;
  const back = wayBack(endpoint, state);
  return {
    id: endpoint.id,
    address: endpoint.address,
    state,
    why,
    stateForMs: state === endpoint.state ? Math.max(0, Math.round(nowMs - endpoint.stateSinceMs)) : 0,
    ...(back === undefined ? {} : { back }),
    health: instance.health,
    weight: instance.weight,
    ...(instance.zone === undefined ? {} : { zone: instance.zone }),
    ageMs: Math.round(nowMs - endpoint.sinceMs),
    inFlight: endpoint.inFlight,
    ...(latencyMs === undefined ? {} : { latencyMs: Math.round(latencyMs * 100) / 100 }),
    consecutiveFailures: outlier.consecutiveFailures,
    ejections: outlier.ejections,
    ...(ejectedUntilMs === undefined || ejectedUntilMs === Infinity
      ? {}
      : { ejectedForMs: Math.max(0, Math.round(ejectedUntilMs - nowMs)) }),
    attempts: { ...endpoint.outcomes },
    connections: endpoint.pool.describe(),
  };
}

/** The numbers that a scrape asks for. */
export function upstreamFacts({ upstream, call }: UpstreamEntry, nowMs: number): UpstreamFacts {
  const endpoints: Partial<Record<EndpointState, number>> = {};
  for (const endpoint of known(upstream)) {
    const { state } = placementOf(endpoint, nowMs);
    endpoints[state] = (endpoints[state] ?? 0) + 1;
  }
  return {
    name: upstream.name,
    endpoints,
    breaker: call.breaker?.describe(nowMs).state ?? 'closed',
    retryBudgetRatio: call.budget.ratioLeft(nowMs),
    stalenessMs: upstream.stalenessMs,
    inFlight: upstream.inFlight,
    connections: upstream.connections,
  };
}

function known(upstream: Upstream): Endpoint[] {
  return [...upstream.endpoints, ...upstream.drainingEndpoints];
}
