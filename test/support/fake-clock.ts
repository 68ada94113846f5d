// A clock that stands still until a test moves it, with seeded randomness.
import type { Clock, Timer } from '../../src/util/clock.ts';

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Moves only by `advance`; timers that fall due run in order, each seeing its own moment as `now()`. */
export class FakeClock implements Clock {
  private nowMs: number;
  private order = 0;
  private readonly pending = new Set<Pending>();
  private seed: number;

  constructor(options: { readonly startMs?: number; readonly seed?: number } = {}) {
    this.nowMs = options.startMs ?? 1_000;
    this.seed = options.seed ?? 1;
  }

  now(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const entry: Pending = { atMs: this.nowMs + Math.max(0, delayMs), order: this.order++, callback };
    this.pending.add(entry);
    return { cancel: () => void this.pending.delete(entry) };
  }

  /** mulberry32. */
  random(): number {
    this.seed = (this.seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** How many timers are pending: zero after everything was closed. */
  get timers(): number {
    return this.pending.size;
  }

  /** Moves time forward, running what falls due; between two timers pending promise callbacks run. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.nowMs + byMs;
    for (;;) {
      await settle();
      let next: Pending | undefined;
      for (const entry of this.pending) {
        if (
          entry.atMs <= untilMs &&
          (next === undefined || entry.atMs < next.atMs || (entry.atMs === next.atMs && entry.order < next.order))
        ) {
          next = entry;
        }
      }
      if (next === undefined) break;
      this.pending.delete(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
    }
    this.nowMs = untilMs;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
