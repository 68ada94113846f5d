// How often the lists of one service are applied: the first change at once, a burst coalesced.

/** At most 50 applies a second (REGISTRIES §2.5). */
const MIN_INTERVAL_MS = 20;
/** And at most a fifth of the time for all that hangs on them, where thousands of instances change at once. */
const REST_PER_APPLY = 4;
const MAX_REST_MS = 80;

/**
 * What an apply costs is the shorter of the last two: a pause that falls into one (garbage collection, another process's turn)
 * says nothing of the next. All times are monotonic ms. One writer: who applies.
 */
export class ApplyPace {
  private nextAtMs = -Infinity;
  private lastTookMs = Infinity;

  /** Until the next may begin; 0 or less: at once. */
  waitMs(nowMs: number): number {
    return this.nextAtMs - nowMs;
  }

  /** One was applied. */
  applied(startMs: number, endMs: number): void {
    const tookMs = endMs - startMs;
    const restMs = Math.min(MAX_REST_MS, Math.min(tookMs, this.lastTookMs) * REST_PER_APPLY);
    this.lastTookMs = tookMs;
    this.nextAtMs = Math.max(startMs + MIN_INTERVAL_MS, endMs + restMs);
  }
}
