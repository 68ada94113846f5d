// A wait that can be cut short: how a loop that owns its state sleeps between two things that are due.
import type { Clock } from '../util/clock.ts';

/** One sleeper. */
export class Nap {
  private readonly clock: Clock;
  private wakeUp: (() => void) | undefined = undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Resolves after `waitMs`, or when `end()` is called meanwhile. */
  rest(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(waitMs, () => this.end());
      this.wakeUp = () => {
        this.wakeUp = undefined;
        timer.cancel();
        resolve();
      };
    });
  }

  /** Without effect while nobody sleeps. */
  end(): void {
    this.wakeUp?.();
  }
}
