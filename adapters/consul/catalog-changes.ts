// That anything changed, for all who cannot have a blocking query of their own: an agent allows 200 connections to one address.
import type { Clock } from '../../src/util/clock.ts';
import { sleep } from '../../src/util/clock.ts';
import { RegistryError } from '../../src/registry/types.ts';
import type { Connection } from './connection.ts';
import { indexOf } from './health-list.ts';

/**
 * What a service's list is made of, by the index of the whole: checks, of which the filter leaves nothing but the index, and
 * instances, of which only the names come.
 */
const TABLES: readonly { readonly path: string; readonly query: Readonly<Record<string, string>> }[] = [
  { path: '/v1/health/state/any', query: { filter: 'CheckID == "-"' } },
  { path: '/v1/catalog/services', query: {} },
];
/** Of each of the two queries, in ms: less than the driver's `silenceMs` by far, since it is their only sign of life. */
const WAIT_MS = 5_000;
/** A catalog that changes without end is looked at so often, in ms. */
const MIN_INTERVAL_MS = 100;

interface Waiter {
  readonly seen: number;
  /** The agent answered; true: that is enough. */
  heard(): boolean;
  resolve(): void;
  reject(error: Error): void;
}

/** Of one namespace. Runs while anybody has joined; each failure ends it for all, who come back after their back-off. */
export class CatalogChanges {
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly namespace: Readonly<Record<string, string>>;
  private readonly waiters = new Set<Waiter>();
  private running: AbortController | undefined = undefined;
  private joined = 0;
  private count = 0;

  /** @param namespace parameter of the queries, where it is not that of the configuration. */
  constructor(connection: Connection, clock: Clock, namespace: Readonly<Record<string, string>>) {
    this.connection = connection;
    this.clock = clock;
    this.namespace = namespace;
  }

  /** Grows with every change. What is read after it was taken shows at least the changes that it counts. */
  get version(): number {
    return this.count;
  }

  /** @returns to be called once: leaves. */
  join(): () => void {
    this.joined++;
    if (this.running === undefined) this.start();
    return () => {
      if (--this.joined === 0) this.end(new RegistryError('aborted', 'consul: nobody waits for changes'));
    };
  }

  /**
   * For those who have joined: resolves once something changed since `seen`, or `heard`, which is called whenever the agent
   * answers, has heard enough. Rejects where the agent cannot be heard or the signal aborts.
   */
  after(seen: number, heard: () => boolean, signal: AbortSignal): Promise<void> {
    if (this.running === undefined) this.start();
    if (this.count > seen) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.waiters.delete(waiter);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => waiter.reject(signal.reason as Error);
      const waiter: Waiter = {
        seen,
        heard,
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      this.waiters.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  private start(): void {
    const running = new AbortController();
    this.running = running;
    for (const { path, query } of TABLES) {
      this.watch(path, query, running.signal).catch((error: unknown) => {
        if (this.running === running) this.end(error as Error);
      });
    }
  }

  private end(error: Error): void {
    const running = this.running;
    this.running = undefined;
    running?.abort(error);
    for (const waiter of [...this.waiters]) waiter.reject(error);
  }

  /** The first answer counts as a change: who read before it may have missed one. */
  private async watch(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<never> {
    let index = 0;
    for (;;) {
      const sentAtMs = this.clock.now();
      const blocking = index > 0 ? { index: String(index), wait: `${WAIT_MS}ms` } : {};
      const answer = await this.connection.request(
        { method: 'GET', path, query: { ...query, ...blocking, ...this.namespace }, isLongPoll: true, isCatalog: true },
        signal,
      );
      const next = indexOf(answer);
      if (next !== index) this.count++;
      index = next < index ? 0 : next;
      for (const waiter of [...this.waiters]) {
        const isEnough = waiter.heard();
        if (isEnough || this.count > waiter.seen) waiter.resolve();
      }
      const earlyMs = MIN_INTERVAL_MS - (this.clock.now() - sentAtMs);
      if (earlyMs > 0) await sleep(this.clock, earlyMs, signal);
    }
  }
}
