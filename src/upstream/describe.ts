// What an operator sees of upstreams: plain objects, made when somebody asks.
import type { EndpointState, UpstreamFacts } from '../telemetry/metric-sources.ts';
import { keyText } from '../registry/types.ts';
import type { BreakerDescription } from './breaker-view.ts';
import type { ConcurrencyDescription } from './concurrency-view.ts';
import type { Endpoint } from './endpoint.ts';
import type { FallbackDescription } from './fallback-view.ts';
import type { HedgeDescription } from './hedge-view.ts';
import type { OutcomeCounts } from './outcome.ts';
import { priorityOf } from './arrangement.ts';
import { placementOf } from './placement.ts';
import type { PoolDescription } from './pool.ts';
import type { Upstream } from './upstream.ts';
import type { LimitName, UpstreamLoad } from './upstream-load.ts';
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
  /** The group of the picker's plan that it is in; absent where it is not picked at all. */
  readonly group?: string;
  /** Part of new requests that goes to it as far as weights, zones and levels decide, 0..1. */
  readonly share: number;
  /** What the registry says. */
  readonly health: string;
  readonly weight: number;
  /** Less than `weight` while it warms up; 0 where it is not picked at all. */
  readonly effectiveWeight: number;
  readonly zone?: string;
  /** 0 is used first. */
  readonly priority: number;
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
  /** The part of the service that is called. */
  readonly subset?: string;
  /** Where we are; absent where that is not known, or makes no difference. */
  readonly ownZone?: string;
  /** `doubted`: doubted endpoints are used like the others, since too few others are left. `all`: so are failing ones. */
  readonly panic: string;
  /** Requests that wait for the first list. */
  readonly queued: number;
  /** What is under way, and how much of it may be. */
  readonly load: Readonly<Record<LimitName, { readonly now: number; readonly limit: number }>>;
  readonly retryBudgetRatio: number;
  /** Absent where configuration has none. */
  readonly breaker?: BreakerDescription;
  /** Likewise. */
  readonly fallback?: FallbackDescription;
  readonly concurrency?: ConcurrencyDescription;
  readonly hedging?: HedgeDescription;
  readonly attempts: OutcomeCounts;
  readonly endpoints: readonly EndpointDescription[];
  /** Records that could not be used. */
  readonly rejected: readonly { readonly ref: string; readonly reason: string }[];
}

/** @param nowMs monotonic. */
export function describeUpstream(entry: UpstreamEntry, nowMs: number): UpstreamDescription {
  const { upstream, call, isConfigured } = entry;
  const { picking } = upstream;
  const { zone } = upstream.options;
  const snapshot = upstream.view?.snapshot;
  const places = placesOf(upstream);
  return {
    name: upstream.name,
    service: keyText(upstream.key),
    balancer: upstream.options.balancer.policy,
    state: upstream.state,
    ...(snapshot === undefined ? {} : { origin: snapshot.origin }),
    stalenessMs: Math.round(upstream.stalenessMs),
    isConfigured,
    ...(picking.subsetText === undefined ? {} : { subset: picking.subsetText }),
    ...(zone.prefer && zone.own !== undefined ? { ownZone: zone.own } : {}),
    panic: picking.panic,
    queued: upstream.queue.size,
    load: describeLoad(upstream.load),
    retryBudgetRatio: call.budget.ratioLeft(nowMs),
    ...(call.breaker === undefined ? {} : { breaker: call.breaker.describe(nowMs) }),
    ...(call.fallback === undefined ? {} : { fallback: call.fallback.describe(nowMs) }),
    ...(call.concurrency === undefined ? {} : { concurrency: call.concurrency.describe() }),
    ...(call.hedge === undefined ? {} : { hedging: call.hedge.describe() }),
    attempts: { ...upstream.outcomes },
    endpoints: known(upstream).map((endpoint) => describeEndpoint(upstream, endpoint, nowMs, places.get(endpoint))),
    rejected: snapshot?.rejected ?? [],
  };
}

function describeLoad({
  limits,
  open,
  dialing,
  pending,
  requests,
  retries,
}: UpstreamLoad): UpstreamDescription['load'] {
  return {
    connections: { now: open + dialing, limit: limits.connections },
    pending: { now: pending, limit: limits.pending },
    requests: { now: requests, limit: limits.requests },
    retries: { now: retries, limit: limits.retries },
  };
}

/** @param nowMs monotonic. */
export function describeEndpoint(
  upstream: Upstream,
  endpoint: Endpoint,
  nowMs: number,
  place: Place | undefined = placesOf(upstream).get(endpoint),
): EndpointDescription {
  const { instance, outlier, latencyMs } = endpoint;
  const { state } = placementOf(endpoint, nowMs);
  const { ejectedUntilMs } = outlier;
  const back = wayBack(endpoint, state);
  return {
    id: endpoint.id,
    address: endpoint.address,
    state,
    why: whyOf(upstream, endpoint, place, nowMs),
    stateForMs: state === endpoint.state ? Math.max(0, Math.round(nowMs - endpoint.stateSinceMs)) : 0,
    ...(back === undefined ? {} : { back }),
    ...(place === undefined ? {} : { group: place.group }),
    share: place?.share ?? 0,
    health: instance.health,
    weight: instance.weight,
    effectiveWeight: place?.weight ?? 0,
    ...(instance.zone === undefined ? {} : { zone: instance.zone }),
    priority: priorityOf(instance, upstream.options.priority),
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

/** Where the picker's plan has an endpoint. */
interface Place {
  readonly group: string;
  readonly why: string;
  readonly share: number;
  readonly weight: number;
}

function placesOf({ picking }: Upstream): Map<Endpoint, Place> {
  const places = new Map<Endpoint, Place>();
  const { active = [], reserves = [] } = picking.plan ?? {};
  for (const group of [...active, ...reserves]) {
    const total = group.slots.reduce((sum, { weight }) => sum + weight, 0);
    const share = 'share' in group ? Number(group.share) : 0;
    for (const { endpoint, weight } of group.slots) {
      const own = { share: rounded((share * weight) / total, 4), weight: rounded(weight, 2) };
      places.set(endpoint, { group: group.name, why: group.why, ...own });
    }
  }
  return places;
}

/** What is wrong with it, if anything; else what its group says. */
function whyOf({ picking }: Upstream, endpoint: Endpoint, place: Place | undefined, nowMs: number): string {
  const { tier, why } = placementOf(endpoint, nowMs);
  if (tier !== 'never' && picking.isLeftOut(endpoint) && place === undefined)
    return `not picked: not in the subset ${picking.subsetText ?? ''}`;
  if (tier !== 'first')
    return place !== undefined && place.share > 0 ? `${why}; used all the same, since too few others can be` : why;
  const { weight } = endpoint.instance;
  const warmth =
    place !== undefined && place.weight < weight
      ? `; warming up: ${Math.round((100 * place.weight) / weight)} % of its weight`
      : '';
  return `${place?.why ?? why}${warmth}`;
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
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
    isPanicking: upstream.picking.panic !== 'none',
    breaker: call.breaker?.describe(nowMs).state ?? 'closed',
    ...(call.fallback === undefined ? {} : { fallbacks: call.fallback.taken }),
    ...(call.hedge === undefined ? {} : { hedges: call.hedge.counts }),
    retryBudgetRatio: call.budget.ratioLeft(nowMs),
    stalenessMs: upstream.stalenessMs,
    inFlight: upstream.inFlight,
    connections: upstream.load,
    ...(call.concurrency === undefined ? {} : { concurrency: call.concurrency.describe() }),
  };
}

function known(upstream: Upstream): Endpoint[] {
  return [...upstream.endpoints, ...upstream.drainingEndpoints];
}
