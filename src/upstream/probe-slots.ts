// How many health checks of endpoints run at once, over all upstreams: ten thousand that fall due together open no ten thousand sockets.

/** Health checks that run at once. */
const PROBES_AT_ONCE = 64;

/** First come, first served. */
export class ProbeSlots {
  private free: number;
  private readonly waiting = new Set<() => void>();

  constructor(limit = PROBES_AT_ONCE) {
    this.free = limit;
  }

  /** Runs `work` when there is room. Rejects as it does, and with the signal's reason where that comes first. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await this.turn(signal);
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const [next] = this.waiting;
      if (next === undefined) this.free++;
      else next();
    }
  }

  private turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiting.delete(go);
        reject(signal.reason as Error);
      };
      const go = (): void => {
        this.waiting.delete(go);
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      this.waiting.add(go);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
