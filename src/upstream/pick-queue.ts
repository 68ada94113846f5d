// Requests that wait for a first list: bounded in number here, and in time by their upstream.
import type { ProxyError } from '../errors.ts';
import type { UpstreamLoad } from './upstream-load.ts';

/** A request that could not be given an endpoint yet. */
export interface PickWaiter {
  /** Something changed: pick again. */
  onPickable(): void;
  onPickFailed(error: ProxyError): void;
}

/** First come, first served. */
export class PickQueue {
  private waiting = new Set<PickWaiter>();
  private readonly load: UpstreamLoad;

  /** @param load of the upstream: says how many may wait, and how many may go. */
  constructor(load: UpstreamLoad) {
    this.load = load;
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Tells `waiter` later, or, where too many wait already, at once that it failed (PF_OVERFLOW). */
  add(waiter: PickWaiter): void {
    const overflow = this.load.wait();
    if (overflow === undefined) this.waiting.add(waiter);
    else waiter.onPickFailed(overflow);
  }

  remove(waiter: PickWaiter): void {
    if (this.waiting.delete(waiter)) this.load.pending--;
  }

  /** Lets all pick again, as many as may be under way; who still has to wait comes back. */
  release(): void {
    const { waiting } = this;
    this.waiting = new Set();
    this.load.pending -= waiting.size;
    for (const waiter of waiting) {
      const overflow = this.load.refusal(false);
      if (overflow === undefined) waiter.onPickable();
      else waiter.onPickFailed(overflow);
    }
  }
}
