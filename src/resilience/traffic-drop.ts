// The rule of traffic drop: callers turn away from an upstream while what still reaches it fails. In steps of five seconds.
import { TRAFFIC_STEP_MS, type TrafficTotals } from '../upstream/breaker-view.ts';

/** Steps of the ten seconds that are looked at, of the five minutes before, and of the two minutes in which errors count. */
const RECENT = 10_000 / TRAFFIC_STEP_MS;
const BEFORE = 300_000 / TRAFFIC_STEP_MS;
const ERRORS = 120_000 / TRAFFIC_STEP_MS;
const SLOTS = RECENT + BEFORE;
/** Fewer requests a second than this share of the mean before. */
const DROPPED_TO = 0.6;
const ERROR_RATIO = 0.05;
const MIN_REQUESTS = 100;
/** Both hold for so long without a break. */
const HOLD_MS = 30_000;

/** One history for each breaker; it says nothing before it has seen five minutes and ten seconds. */
export class TrafficHistory {
  private readonly requests = new Float64Array(SLOTS);
  private readonly failures = new Float64Array(SLOTS);
  private steps = 0;
  private last: TrafficTotals | undefined = undefined;
  private lastMs = 0;
  private holdsSinceMs: number | undefined = undefined;

  /**
   * One more step. @returns why the breaker should open; undefined where it should not.
   * @param totals counters; where they fall they began anew.
   */
  step(totals: TrafficTotals, nowMs: number): string | undefined {
    const { last } = this;
    // A stalled or suspended process knows nothing of the time between.
    if (last !== undefined && nowMs - this.lastMs > 2 * TRAFFIC_STEP_MS) this.reset();
    this.last = totals;
    this.lastMs = nowMs;
    if (last === undefined) return undefined;
    const isRestart = totals.requests < last.requests;
    const slot = this.steps++ % SLOTS;
    this.requests[slot] = totals.requests - (isRestart ? 0 : last.requests);
    this.failures[slot] = totals.failures - (isRestart ? 0 : last.failures);
    const why = this.steps < SLOTS ? undefined : this.whyNow();
    if (why === undefined) this.holdsSinceMs = undefined;
    else this.holdsSinceMs ??= nowMs;
    return this.holdsSinceMs !== undefined && nowMs - this.holdsSinceMs >= HOLD_MS ? why : undefined;
  }

  /** Forgets everything: after the breaker was open, the traffic of that time is no measure. */
  reset(): void {
    this.steps = 0;
    this.holdsSinceMs = undefined;
  }

  private whyNow(): string | undefined {
    const recent = this.sum(this.requests, 0, RECENT) / RECENT;
    const before = this.sum(this.requests, RECENT, SLOTS) / BEFORE;
    if (before === 0 || recent > DROPPED_TO * before) return undefined;
    const requests = this.sum(this.requests, 0, ERRORS);
    const failures = this.sum(this.failures, 0, ERRORS);
    if (requests < MIN_REQUESTS || failures <= ERROR_RATIO * requests) return undefined;
    const drop = Math.round(100 * (1 - recent / before));
    return `traffic dropped by ${drop} %, and ${failures} of the ${requests} requests of two minutes failed`;
  }

  /** Of the steps from `from` to before `to`, counted back from the newest. */
  private sum(of: Float64Array, from: number, to: number): number {
    let sum = 0;
    for (let back = from; back < to; back++) sum += of[(this.steps - 1 - back + 2 * SLOTS) % SLOTS] ?? 0;
    return sum;
  }
}
