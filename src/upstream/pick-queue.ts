// Requests that wait for a first list: bounded in number here, and in time by their upstream.
import { ProxyError } from '../errors.ts';

/** A request that could not be given an endpoint yet. */
export interface PickWaiter {
  /** Something changed: pick again. */
  onPickable(): void;
  onPickFailed(error: ProxyError): void;
}

/** Beyond it a request fails at once. */
const MAX_WAITING = 1_024;

/** First come, first served. */
export class PickQueue {
  private waiting = new Set<PickWaiter>();
  private readonly name: string;

  /** @param name of the upstream, for messages. */
  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Tells `waiter` later, or, where too many wait already, at once that it failed (PF_OVERFLOW). */
  add(waiter: PickWaiter): void {
    if (this.waiting.size < MAX_WAITING) {
      this.waiting.add(waiter);
      return;
    }
    const message = `upstream ${this.name}: ${MAX_WAITING} requests wait for its first list`;
    waiter.onPickFailed(new ProxyError('PF_OVERFLOW', message));
  }

  remove(waiter: PickWaiter): void {
    this.waiting.delete(waiter);
  }

  /** Lets all pick again; who still has to wait comes back. */
  release(): void {
    const { waiting } = this;
    this.waiting = new Set();
    for (const waiter of waiting) waiter.onPickable();
  }
}
