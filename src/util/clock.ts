// Time and chance, injected: the only file that calls Date.now, setTimeout, performance.now and Math.random.

/** A pending timer. `cancel()` any number of times; after it the callback never runs. */
export interface Timer {
  cancel(): void;
}

/** Where a component gets time and randomness from. Tests pass a fake (`test/support/fake-clock.ts`). */
export interface Clock {
  /** Monotonic milliseconds with fractions, from an arbitrary zero; for durations, deadlines and ages. */
  now(): number;
  /** Wall-clock milliseconds since 1970, for what people and other machines read. Never for durations. */
  wallMs(): number;
  /** Runs `callback` once, `delayMs` from now (≥ 0, at most 2^31−1). The timer does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Uniform in [0, 1). Not for secrets: those come from `node:crypto`. */
  random(): number;
}

/**
 * Calls back after what had come by then was read: where the loop stood still for a second, Node runs timers first, and what
 * arrived in time would count as late.
 */
class SystemTimer implements Timer {
  /** @internal */ readonly callback: () => void;
  /** @internal */ immediate: NodeJS.Immediate | undefined = undefined;
  private readonly timeout: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void) {
    this.callback = callback;
    this.timeout = setTimeout(afterReading, Math.min(delayMs, 2_147_483_647), this);
    this.timeout.unref();
  }

  cancel(): void {
    clearTimeout(this.timeout);
    clearImmediate(this.immediate);
  }
}

function afterReading(timer: SystemTimer): void {
  timer.immediate = setImmediate(timer.callback);
}

/** The real clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer: (delayMs, callback) => new SystemTimer(delayMs, callback),
  random: () => Math.random(),
};

/** Resolves after `delayMs`; rejects with the signal's reason if it aborts first (the timer is cleared then). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
