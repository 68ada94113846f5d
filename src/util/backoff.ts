// How long to wait before trying again, so that many that failed together do not come back together.
import type { Clock } from './clock.ts';

/** Full-jitter exponential backoff (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015). */
export class Backoff {
  private readonly clock: Clock;
  private readonly baseMs: number;
  private readonly maxMs: number;
  private failures = 0;

  /** Delays are uniform in [0, min(maxMs, baseMs × 2^n)), but at least a tenth of that cap, so that a tight loop cannot come of bad luck. */
  constructor(clock: Clock, baseMs = 200, maxMs = 4_000) {
    this.clock = clock;
    this.baseMs = baseMs;
    this.maxMs = maxMs;
  }

  /** Milliseconds to wait before the next try; each call counts one more failure. */
  nextMs(): number {
    const capMs = Math.min(this.maxMs, this.baseMs * 2 ** Math.min(this.failures, 30));
    this.failures++;
    return capMs * (0.1 + 0.9 * this.clock.random());
  }

  /** To be called on success. */
  reset(): void {
    this.failures = 0;
  }
}
