// HOT PATH. How many retries an upstream may have: so many that a failing copy is not noticed, so few that an overload is not fed.

/** Length of the window: ten slots of a second. */
const SLOTS = 10;
const SLOT_MS = 1_000;

export interface RetryBudgetOptions {
  /** Retries per request, 0..1. */
  readonly ratio: number;
  /** Retries a second that are always allowed. */
  readonly minPerSecond: number;
}

/**
 * The larger of `ratio` of the requests of the last ten seconds and `minPerSecond` × ten, as in Finagle's and linkerd's
 * RetryBudget. One for each upstream, shared by all its requests.
 */
export class RetryBudget {
  private readonly options: RetryBudgetOptions;
  private readonly requests = new Float64Array(SLOTS);
  private readonly retries = new Float64Array(SLOTS);
  private requestSum = 0;
  private retrySum = 0;
  /** Number of the newest slot, counted from the clock's zero. */
  private slot = 0;

  constructor(options: RetryBudgetOptions) {
    this.options = options;
  }

  /** A request has come. `nowMs` is monotonic; a little late is good enough. */
  deposit(nowMs: number): void {
    this.turn(nowMs);
    this.requestSum++;
    this.requests[this.slot % SLOTS] = (this.requests[this.slot % SLOTS] ?? 0) + 1;
  }

  /** May a retry be made? True counts it as made. */
  withdraw(nowMs: number): boolean {
    this.turn(nowMs);
    if (this.retrySum + 1 > this.allowed) return false;
    this.retrySum++;
    this.retries[this.slot % SLOTS] = (this.retries[this.slot % SLOTS] ?? 0) + 1;
    return true;
  }

  /** What is left, 0..1; 1 before the first retry. */
  ratioLeft(nowMs: number): number {
    this.turn(nowMs);
    const { allowed } = this;
    return allowed <= 0 ? 0 : Math.max(0, 1 - this.retrySum / allowed);
  }

  private get allowed(): number {
    return Math.max(this.requestSum * this.options.ratio, this.options.minPerSecond * SLOTS);
  }

  private turn(nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    if (slot <= this.slot) return;
    const passed = Math.min(SLOTS, slot - this.slot);
    for (let step = 1; step <= passed; step++) {
      const index = (this.slot + step) % SLOTS;
      this.requestSum -= this.requests[index] ?? 0;
      this.retrySum -= this.retries[index] ?? 0;
      this.requests[index] = 0;
      this.retries[index] = 0;
    }
    this.slot = slot;
  }
}
