// Feeds every breaker with what /metrics counts of its upstream: one timer for all of them.
import { TRAFFIC_STEP_MS, type BreakerView, type TrafficTotals } from '../upstream/breaker-view.ts';
import type { Clock, Timer } from '../util/clock.ts';

export interface TrafficWatchParts {
  readonly clock: Clock;
  /** Names of all upstreams with their breakers. */
  breakers(): Iterable<readonly [upstream: string, breaker: BreakerView]>;
  /** Undefined where nothing was counted yet, or nothing for long. */
  totals(upstream: string): TrafficTotals | undefined;
}

/** Runs until `close`. */
export class TrafficWatch {
  private readonly parts: TrafficWatchParts;
  private timer: Timer;

  constructor(parts: TrafficWatchParts) {
    this.parts = parts;
    this.timer = parts.clock.setTimer(TRAFFIC_STEP_MS, this.step);
  }

  close(): void {
    this.timer.cancel();
  }

  private readonly step = (): void => {
    const { parts } = this;
    for (const [name, breaker] of parts.breakers()) {
      const totals = parts.totals(name);
      if (totals !== undefined) breaker.onTraffic(totals);
    }
    this.timer = parts.clock.setTimer(TRAFFIC_STEP_MS, this.step);
  };
}
