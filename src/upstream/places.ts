// Where each endpoint of an upstream stands, since when, and what changed last: looked at before a picker is built.
import type { PriorityOptions } from '../balancer/options.ts';
import { priorityOf } from './arrangement.ts';
import type { Decisions } from './decisions.ts';
import type { Endpoint } from './endpoint.ts';
import { placementOf } from './placement.ts';

/**
 * One writer of `Endpoint.tier`, `level`, `state` and `stateSinceMs`: its upstream, by this. Tells `decisions` of every change.
 * @param touched of whom anything has changed that a placement depends on.
 */
export function reviewPlaces(
  touched: Iterable<Endpoint>,
  priority: PriorityOptions,
  decisions: Decisions,
  nowMs: number,
): void {
  for (const endpoint of touched) {
    const { tier, state, why } = placementOf(endpoint, nowMs);
    endpoint.tier = tier;
    endpoint.level = priorityOf(endpoint.instance, priority);
    if (state === endpoint.state) continue;
    decisions.placed(endpoint.address, state, why, nowMs);
    endpoint.state = state;
    endpoint.stateSinceMs = nowMs;
  }
}
