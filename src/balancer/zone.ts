// How much of the traffic stays in our own zone.

export interface ZoneCapacity {
  /** Sum of the weights of the endpoints that can be used: in our zone, and in all zones. */
  readonly ownWeight: number;
  readonly totalWeight: number;
  /** Share of all callers that are in our zone, 0..1. */
  readonly callerShare: number;
  /** How many times the mean load our zone's endpoints may get, ≥ 1. */
  readonly overprovisioning: number;
}

/**
 * All of it, while the zone's share of the capacity covers its share of the callers; beyond that as much as it covers. The
 * rest goes to the other zones in proportion to their capacity. After Envoy's zone-aware routing and its overprovisioning
 * factor; Envoy knows where the callers are, which we have to assume.
 * @returns 0..1
 */
export function ownZoneShare({ ownWeight, totalWeight, callerShare, overprovisioning }: ZoneCapacity): number {
  if (ownWeight <= 0) return 0;
  if (ownWeight >= totalWeight) return 1;
  return Math.min(1, (overprovisioning * ownWeight) / (totalWeight * callerShare));
}
