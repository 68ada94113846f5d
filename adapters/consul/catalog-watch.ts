// The two blocking queries over the whole catalog, from their first answers to their first failure.
import type { Clock } from '../../src/util/clock.ts';
import { sleep } from '../../src/util/clock.ts';
import { withDeadline } from '../../src/registry/deadline.ts';
import type { RegistryError } from '../../src/registry/types.ts';
import type { Connection } from './connection.ts';
import { indexOf } from './health-list.ts';

interface Table {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

/**
 * What a service's list is made of, by the index of the whole: checks, of which the filter leaves nothing but the index, and
 * instances, of which only the names come.
 */
const TABLES: readonly Table[] = [
  { path: '/v1/health/state/any', query: { filter: 'CheckID == "-"' } },
  { path: '/v1/catalog/services', query: {} },
];
/** Of each of the two queries, in ms: less than the driver's `silenceMs` by far, since it is their only sign of life. */
const WAIT_MS = 5_000;
/** The answer is there by then, in ms, or one table is silent while the other one is heard: that of the driver's `silenceMs`. */
const ANSWER_MS = 12_000;
/** A catalog that changes without end is looked at so often, in ms. */
const MIN_INTERVAL_MS = 100;

interface Waiter {
  readonly seen: number;
  /** The agent answered; true: that is enough. */
  heard(): boolean;
  resolve(): void;
  reject(error: RegistryError): void;
}

/** What whoever opened it is told. */
export interface CatalogWatchEvents {
  /** Both queries have been answered twice: they can be asked, and can wait. May come again. */
  stands(): void;
  /** It ended by itself. */
  failed(): void;
}

/** Runs from its making on. What fails one query ends both, for ever, and for all who have it. */
export class CatalogWatch {
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly namespace: Readonly<Record<string, string>>;
  private readonly events: CatalogWatchEvents;
  private readonly ending = new AbortController();
  private readonly waiters = new Set<Waiter>();
  private readonly answers = TABLES.map(() => 0);
  private failure: RegistryError | undefined = undefined;
  private count = 0;

  /** @param namespace parameter of the queries, where it is not that of the configuration. */
  constructor(
    connection: Connection,
    clock: Clock,
    namespace: Readonly<Record<string, string>>,
    events: CatalogWatchEvents,
  ) {
    this.connection = connection;
    this.clock = clock;
    this.namespace = namespace;
    this.events = events;
    for (const [at, table] of TABLES.entries()) {
      this.follow(at, table).catch((error: unknown) => {
        if (this.failure !== undefined) return;
        this.end(error as RegistryError); // `request` throws no other.
        events.failed();
      });
    }
  }

  get isOver(): boolean {
    return this.failure !== undefined;
  }

  /**
   * 0 until both queries have been answered; grows with every change from then on. What is read after it was taken shows at
   * least the changes that it counts.
   */
  get version(): number {
    return this.count;
  }

  /**
   * Resolves once the version is above `seen`, or `heard`, which is called whenever the agent answers, has heard enough.
   * Rejects where the signal aborts, and with the failure that ended the queries, also long after it.
   */
  after(seen: number, signal: AbortSignal, heard: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.waiters.delete(waiter);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        settle();
        reject(signal.reason as Error);
      };
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
      if (signal.aborted) onAbort();
      else if (this.failure !== undefined) waiter.reject(this.failure);
      else if (this.count > seen) waiter.resolve();
      else {
        this.waiters.add(waiter);
        signal.addEventListener('abort', onAbort, { once: true });
      }
    });
  }

  end(error: RegistryError): void {
    this.failure ??= error;
    this.ending.abort(this.failure);
    for (const waiter of [...this.waiters]) waiter.reject(this.failure);
  }

  private async follow(at: number, table: Table): Promise<never> {
    const { clock, ending } = this;
    let index = 0;
    for (;;) {
      const sentAtMs = clock.now();
      const next = await this.indexAfter(index, table);
      this.answered(at, next !== index);
      index = next < index ? 0 : next;
      const earlyMs = MIN_INTERVAL_MS - (clock.now() - sentAtMs);
      if (earlyMs > 0) await sleep(clock, earlyMs, ending.signal);
    }
  }

  private indexAfter(index: number, { path, query }: Table): Promise<number> {
    const blocking = index > 0 ? { index: String(index), wait: `${WAIT_MS}ms` } : {};
    const request = {
      method: 'GET',
      path,
      query: { ...query, ...blocking, ...this.namespace },
      isLongPoll: true,
      isCatalog: true,
      ignoresBody: true,
    } as const;
    return withDeadline(this.clock, ANSWER_MS, [this.ending.signal], async (signal) =>
      indexOf(await this.connection.request(request, signal)),
    );
  }

  /** The first answers count as a change, both together: who read before them may have missed one. */
  private answered(at: number, isChange: boolean): void {
    this.answers[at] = (this.answers[at] ?? 0) + 1;
    const rounds = Math.min(...this.answers);
    if (isChange && rounds > 0) this.count++;
    if (rounds > 1) this.events.stands();
    for (const waiter of [...this.waiters]) {
      const isEnough = waiter.heard();
      if (isEnough || this.count > waiter.seen) waiter.resolve();
    }
  }
}
