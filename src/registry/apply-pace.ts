// How often the lists of one service are applied: the first change at once, a burst coalesced.

/** At most 50 applies a second (REGISTRIES §2.5). */
const MIN_INTERVAL_MS = 20;
/** And at most a fifth of the time for all that hangs on them, where thousands of instances change at once. */
const REST_PER_APPLY = 4;
const MAX_REST_MS = 80;

/** All times are monotonic ms. One writer: who applies. */
export class ApplyPace {
  private nextAtMs = -Infinity;

  /** Until the next may begin; 0 or less: at once. */
  waitMs(nowMs: number): number {
    return this.nextAtMs - nowMs;
  }

  /** One was applied. */
  took(startMs: number, endMs: number): void {
    const restMs = Math.min(MAX_REST_MS, (endMs - startMs) * REST_PER_APPLY);
    this.nextAtMs = Math.max(startMs + MIN_INTERVAL_MS, endMs + restMs);
  }
}
