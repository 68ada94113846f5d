// Since when each endpoint of an upstream stands where it stands, and what changed last: looked at whenever a picker is built.
import type { Decisions } from './decisions.ts';
import type { Endpoint } from './endpoint.ts';
import { placementOf } from './placement.ts';

/** One writer of `Endpoint.state` and `stateSinceMs`: its upstream, by this. Tells `decisions` of every change. */
export function reviewPlaces(endpoints: Iterable<Endpoint>, decisions: Decisions, nowMs: number): void {
  for (const endpoint of endpoints) {
    const { state, why } = placementOf(endpoint, nowMs);
    if (state === endpoint.state) continue;
    decisions.placed(endpoint.address, state, why, nowMs);
    endpoint.state = state;
    endpoint.stateSinceMs = nowMs;
  }
}
