// Whether an endpoint is picked, picked last or not at all, and why: the one rule behind both the picker and what an operator sees.
import { slotOf, type Slot } from '../balancer/picker.ts';
import type { EndpointState } from '../telemetry/metric-sources.ts';
import type { Endpoint } from './endpoint.ts';

/**
 * `first`: picked. `doubted`: picked when there is nobody else, or when too few are in the first tier to believe that the
 * others are gone. `last`: only when there is nobody else at all. `never`: not picked.
 */
export type Tier = 'first' | 'doubted' | 'last' | 'never';

export interface Placement {
  readonly tier: Tier;
  readonly state: EndpointState;
  /** For people. */
  readonly why: string;
}

const PICKED: Placement = { tier: 'first', state: 'available', why: 'picked' };
const GONE: Placement = { tier: 'never', state: 'draining', why: 'draining: left the registry' };
const DISABLED: Placement = { tier: 'never', state: 'disabled', why: 'disabled in the registry' };
const WEIGHTLESS: Placement = { tier: 'never', state: 'disabled', why: 'weight 0: takes no new traffic' };
const CRITICAL: Placement = { tier: 'never', state: 'unhealthy', why: 'the registry says: critical' };
const SUSPECT: Placement = {
  tier: 'doubted',
  state: 'suspect',
  why: 'suspect: the registry dropped it without saying why; picked last, and probed',
};
const FLAPPING: Placement = {
  tier: 'doubted',
  state: 'suspect',
  why: 'flapping: it came and went too often; picked last',
};
const LEAVING: Placement = { tier: 'last', state: 'draining', why: 'leaving: it said so itself; picked last' };

/** What the picker makes of an endpoint now. `nowMs` is for the text alone. */
export function placementOf(endpoint: Endpoint, nowMs: number): Placement {
  const { instance } = endpoint;
  if (endpoint.isDraining) return GONE;
  if (!instance.enabled) return DISABLED;
  if (instance.weight <= 0) return WEIGHTLESS;
  if (instance.health === 'critical') return CRITICAL;
  if (instance.protocol !== 'http') {
    return { tier: 'never', state: 'disabled', why: `protocol ${instance.protocol} is not supported` };
  }
  if (endpoint.outlier.isEjected) return { tier: 'last', state: 'ejected', why: whyEjected(endpoint, nowMs) };
  if (instance.leaving === true) return LEAVING;
  if (endpoint.isSuspect) return SUSPECT;
  if (endpoint.isFlapping) return FLAPPING;
  return PICKED;
}

/** Who may be ejected: those that are picked, and those that would be. */
export function isEjectable(endpoint: Endpoint, nowMs: number): boolean {
  const { tier, state } = placementOf(endpoint, nowMs);
  return tier === 'first' || tier === 'doubted' || state === 'ejected';
}

/** The tiers of a picker over these endpoints. */
export interface Tiers {
  readonly tiers: readonly (readonly Slot<Endpoint>[])[];
  /** So few are undoubted that the doubted ones are used like them. */
  readonly isPanicking: boolean;
}

/**
 * Panic: fewer than half of those that were not ejected are undoubted. A registry that suddenly names three of a hundred
 * must not send the traffic of a hundred to three.
 */
export function tiersOf(endpoints: Iterable<Endpoint>, nowMs: number): Tiers {
  const first: Slot<Endpoint>[] = [];
  const doubted: Slot<Endpoint>[] = [];
  const last: Slot<Endpoint>[] = [];
  for (const endpoint of endpoints) {
    const { tier } = placementOf(endpoint, nowMs);
    if (tier === 'never') continue;
    const slot = slotOf(endpoint, endpoint.instance.weight);
    (tier === 'first' ? first : tier === 'doubted' ? doubted : last).push(slot);
  }
  const isPanicking = doubted.length > first.length;
  return { tiers: isPanicking ? [[...first, ...doubted], last] : [first, doubted, last], isPanicking };
}

function whyEjected({ outlier }: Endpoint, nowMs: number): string {
  const leftMs = (outlier.ejectedUntilMs ?? nowMs) - nowMs;
  const untilWhat = outlier.cause === 'hung' ? 'until it answers' : 'until a connection can be opened';
  const howLong = leftMs === Infinity ? untilWhat : `for ${Math.max(0, leftMs / 1_000).toFixed(1)} s more`;
  return `ejected ${howLong}, after ${outlier.reason}; picked last`;
}
