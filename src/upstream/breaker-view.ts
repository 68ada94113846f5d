// What is seen of an upstream's breaker from below the layer that it belongs to (resilience/breaker.ts).
import type { BreakerState } from '../telemetry/metric-sources.ts';

/** For logs and the admin view. */
export interface BreakerDescription {
  readonly state: BreakerState;
  /** How long it has been in this state, in ms. */
  readonly sinceMs: number;
  /** While open: until the first probe may pass, in ms. */
  readonly untilMs?: number;
  /** What led to this state. */
  readonly why: string;
}

/** Requests and failures of an upstream since the start, as `/metrics` shows them. */
export interface TrafficTotals {
  readonly requests: number;
  readonly failures: number;
}

/** A breaker, to those that show it and those that count for it. */
export interface BreakerView {
  /** @param nowMs monotonic. */
  describe(nowMs: number): BreakerDescription;
  /** True where the next request would be refused. Changes nothing. @param nowMs monotonic. */
  wouldRefuse(nowMs: number): boolean;
  /** Every `TRAFFIC_STEP_MS`. */
  onTraffic(totals: TrafficTotals): void;
}

/** How often the rule about traffic is asked. */
export const TRAFFIC_STEP_MS = 5_000;
