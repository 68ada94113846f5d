// What is seen of an upstream's hedging from below the layer that it belongs to (resilience/hedge.ts).

/**
 * What became of hedges, since the start. `won`: its answer was used. `lost`: another attempt answered first, or it failed.
 * `refused`: it was due, and not made: no budget, no other endpoint, a limit, a breaker that is not closed.
 */
export interface HedgeCounts {
  won: number;
  lost: number;
  refused: number;
}

/** For the admin view. */
export interface HedgeDescription extends Readonly<HedgeCounts> {
  /** `50ms`, `p95`. */
  readonly delay: string;
  /** What that is now, in ms; absent while too few answers have come to say. */
  readonly delayMs?: number;
  /** Why one was refused last; absent where none was. */
  readonly lastRefusal?: string;
}

/** Hedging, to those that show it. */
export interface HedgeView {
  readonly counts: Readonly<HedgeCounts>;
  describe(): HedgeDescription;
}
