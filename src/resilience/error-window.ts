// HOT PATH. How many attempts of the last few seconds failed: a ring of counters, turned by whoever counts.

/** Slots of a window: it slides in steps of a tenth. */
const SLOTS = 10;

/** One writer: its breaker. */
export class ErrorWindow {
  /** Over the whole window. */
  requests = 0;
  failures = 0;
  private readonly slotMs: number;
  private readonly requestsOf = new Float64Array(SLOTS);
  private readonly failuresOf = new Float64Array(SLOTS);
  private index = 0;
  /** Monotonic ms at which the newest slot ends. */
  private slotEndMs = 0;

  /** @param windowMs ≥ 10. */
  constructor(windowMs: number) {
    this.slotMs = windowMs / SLOTS;
  }

  /** One more attempt. `nowMs` is monotonic; a little late is good enough. */
  count(isFailure: boolean, nowMs: number): void {
    if (nowMs >= this.slotEndMs) this.turn(nowMs);
    const { index } = this;
    this.requests++;
    this.requestsOf[index] = (this.requestsOf[index] ?? 0) + 1;
    if (!isFailure) return;
    this.failures++;
    this.failuresOf[index] = (this.failuresOf[index] ?? 0) + 1;
  }

  reset(): void {
    this.requestsOf.fill(0);
    this.failuresOf.fill(0);
    this.requests = 0;
    this.failures = 0;
  }

  private turn(nowMs: number): void {
    const passed = Math.floor((nowMs - this.slotEndMs) / this.slotMs) + 1;
    this.slotEndMs += passed * this.slotMs;
    for (let step = Math.min(passed, SLOTS); step > 0; step--) {
      this.index = (this.index + 1) % SLOTS;
      this.requests -= this.requestsOf[this.index] ?? 0;
      this.failures -= this.failuresOf[this.index] ?? 0;
      this.requestsOf[this.index] = 0;
      this.failuresOf[this.index] = 0;
    }
  }
}
