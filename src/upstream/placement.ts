// Whether an endpoint is picked, picked last or not at all, and why: the one rule behind both the picker and what an operator sees.
import type { EndpointState } from '../telemetry/metric-sources.ts';
import type { Endpoint } from './endpoint.ts';
import type { Tier } from './tier.ts';

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
const CRITICAL: Placement = { tier: 'failing', state: 'unhealthy', why: 'the registry says: critical' };
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
  if (instance.protocol !== 'http') {
    return { tier: 'never', state: 'disabled', why: `protocol ${instance.protocol} is not supported` };
  }
  if (instance.health === 'critical') return CRITICAL;
  if (endpoint.check?.isFailing === true) return { tier: 'failing', state: 'unhealthy', why: endpoint.check.why };
  if (endpoint.outlier.isEjected) return { tier: 'failing', state: 'ejected', why: whyEjected(endpoint, nowMs) };
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

/**
 * Is each of those that can be picked ejected, or has it failed twice as often in a row as would eject it, where there was
 * room for that? Asked after a failure; ends with the first that is well.
 */
export function areAllFailing(endpoints: Iterable<Endpoint>, consecutiveFailures: number): boolean {
  let isAny = false;
  for (const endpoint of endpoints) {
    if (!isPickable(endpoint)) continue;
    const { outlier } = endpoint;
    if (!outlier.isEjected && outlier.consecutiveFailures < 2 * consecutiveFailures) return false;
    isAny = true;
  }
  return isAny;
}

/** Is there another one to pick that did not fail last, and is not being asked whether it lives? */
export function isAnotherWell(than: Endpoint, endpoints: Iterable<Endpoint>): boolean {
  for (const endpoint of endpoints) {
    if (endpoint !== than && !endpoint.isSilent && endpoint.outlier.consecutiveFailures === 0 && isPickable(endpoint))
      return true;
  }
  return false;
}

/** Can more than `count` of them be picked? */
export function canPickMoreThan(count: number, endpoints: Iterable<Endpoint>): boolean {
  let found = 0;
  for (const endpoint of endpoints) if (isPickable(endpoint) && ++found > count) return true;
  return false;
}

function isPickable(endpoint: Endpoint): boolean {
  const { tier } = placementOf(endpoint, 0);
  return tier !== 'never' && tier !== 'failing';
}

function whyEjected({ outlier }: Endpoint, nowMs: number): string {
  const leftMs = (outlier.ejectedUntilMs ?? nowMs) - nowMs;
  const untilWhat = outlier.cause === 'hung' ? 'until it answers' : 'until a connection can be opened';
  const howLong = leftMs === Infinity ? untilWhat : `for ${Math.max(0, leftMs / 1_000).toFixed(1)} s more`;
  return `ejected ${howLong}, after ${outlier.reason}; picked last`;
}
