// Looks at the indexes of single services: at most as many at a time as the agent answers without delay.
import type { Clock } from '../../src/util/clock.ts';
import type { ServiceKey } from '../../src/registry/types.ts';
import { MAX_POLLS, type Connection } from './connection.ts';
import { readIndex } from './health-list.ts';

interface Waiter {
  heard(): void;
  start(): void;
}

/** Open looks: at first and at least, and at most; lists and the queries over the catalog use the same connections. */
const MIN_WIDTH = 4;
const MAX_WIDTH = MAX_POLLS / 2;
/** An answer is late where it took so many times the quickest one, and so many ms, which are this process's own. */
const LATE_FACTOR = 2;
const LATE_MS = 3;
const SHRINK = 0.9;
/** By each answer the quickest one counts as that much slower, so that a longer way is learned. */
const FORGET = 1.0001;
/** Those who wait hear of answers to others so often, in ms. */
const HEARD_EVERY_MS = 1_000;

/**
 * First come, first served. How many are open follows the answers' delay (additive increase, multiplicative decrease, as TCP
 * Vegas judges it): an agent with other work is asked more slowly, one that is far away is not.
 */
export class IndexLooks {
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly waiting = new Set<Waiter>();
  private running = 0;
  private width = MIN_WIDTH;
  private quickestMs = Infinity;
  private toldAtMs = -Infinity;

  constructor(connection: Connection, clock: Clock) {
    this.connection = connection;
    this.clock = clock;
  }

  /** The service's index, once it is its turn. @param heard is called now and then while others are answered. */
  async index(key: ServiceKey, signal: AbortSignal, heard: () => void): Promise<number> {
    await this.turn(signal, heard);
    const sentAtMs = this.clock.now();
    try {
      const index = await readIndex(this.connection, key, signal);
      this.answered(this.clock.now() - sentAtMs);
      return index;
    } finally {
      this.running--;
      this.startSome();
    }
  }

  private turn(signal: AbortSignal, heard: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiting.delete(waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        heard,
        start: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.add(waiter);
      this.startSome();
    });
  }

  private startSome(): void {
    for (const waiter of this.waiting) {
      if (this.running >= Math.floor(this.width)) return;
      this.waiting.delete(waiter);
      this.running++;
      waiter.start();
    }
  }

  private answered(tookMs: number): void {
    this.quickestMs = Math.min(tookMs, this.quickestMs * FORGET);
    const isLate = tookMs > this.quickestMs * LATE_FACTOR + LATE_MS;
    this.width = isLate ? Math.max(MIN_WIDTH, this.width * SHRINK) : Math.min(MAX_WIDTH, this.width + 1 / this.width);
    const nowMs = this.clock.now();
    if (nowMs - this.toldAtMs < HEARD_EVERY_MS) return;
    this.toldAtMs = nowMs;
    for (const waiter of this.waiting) waiter.heard();
  }
}
