// HOT PATH where configured. How long the requests took that began within one span of time, told without waiting for the slowest of them.

/** Requests in one cohort, at most. */
export const MAX_COHORT = 256;

/**
 * Looking at the requests that *ended* within some time shows the fast ones of those that began in it, and the slow ones of those
 * that began before: both mislead whoever reacts to them. Here those that have not ended yet count as the slowest. One writer:
 * its limit.
 */
export class Cohort {
  private readonly tookMs = new Float64Array(MAX_COHORT);
  private id = 1;
  private started = 0;
  private ended = 0;
  /** Monotonic ms at which it closed; Infinity while it is open. */
  private closedAtMs = Infinity;
  private lookAtMs = 0;

  get size(): number {
    return this.started;
  }

  get isOpen(): boolean {
    return this.closedAtMs === Infinity;
  }

  /** For the next one: who joined before belongs to none. */
  clear(): void {
    this.id++;
    this.started = 0;
    this.ended = 0;
    this.closedAtMs = Infinity;
  }

  /** @returns what `end` wants to know; 0: it is closed. */
  join(nowMs: number): number {
    if (!this.isOpen) return 0;
    if (++this.started === MAX_COHORT) this.close(nowMs);
    return this.id;
  }

  /** Nobody joins any more. */
  close(nowMs: number): void {
    this.closedAtMs = nowMs;
    this.lookAtMs = nowMs;
  }

  /**
   * @param member as `join` returned it.
   * @param tookMs Infinity: in vain; undefined: as if it had never begun.
   */
  end(member: number, tookMs: number | undefined): void {
    if (member !== this.id) return;
    if (tookMs === undefined) this.started--;
    else this.tookMs[this.ended++] = tookMs;
  }

  /**
   * The time below which `share` (0..1) of them took, once that is certain whatever becomes of those that are still waiting;
   * undefined before, and where nobody took part.
   */
  quantile(share: number, nowMs: number): number | undefined {
    if (nowMs < this.lookAtMs || this.isOpen || this.ended === 0) return undefined;
    const rank = Math.min(this.started - 1, Math.floor(share * this.started));
    const sorted = this.tookMs.subarray(0, this.ended).sort();
    // So many waited in vain that the others, however fast, do not matter.
    if (sorted[this.ended - this.started + rank] === Infinity) return Infinity;
    const took = sorted[rank];
    if (took === undefined || took === Infinity) return undefined;
    // Who is still waiting has waited since the close at least: not certain before that is as long.
    if (this.ended === this.started || nowMs - this.closedAtMs >= took) return took;
    this.lookAtMs = this.closedAtMs + took;
    return undefined;
  }
}
