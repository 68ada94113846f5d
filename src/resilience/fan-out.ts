// Several calls for one answer, for middlewares and users of the library: cancelled together, bounded, one outcome in all.
import { ProxyError } from '../errors.ts';
import type { Breaker } from './breaker.ts';
import { BREAKER_TABLE, rowOfError, type BreakerRow } from './breaker-table.ts';

/** One of the calls. It ends when `signal` aborts. */
export type Task<T> = (signal: AbortSignal) => Promise<T>;

export interface FanOutOptions {
  /** `first`: ends with the first error that is not recoverable. `all`: runs every task to its end. */
  readonly errors?: 'first' | 'all';
  /** Tasks that run at the same time, ≥ 1. Default: all of them. */
  readonly concurrency?: number;
  /** Cancels the whole. */
  readonly signal?: AbortSignal;
  /** Asked once before, told once after: of ten failed calls it counts one. */
  readonly breaker?: Pick<Breaker, 'isClosed' | 'admitProbe' | 'probed' | 'record'>;
}

/** Of each task, in the order in which they were given; those that were never begun are `rejected` with why. */
export type FanOutResult<T> = PromiseSettledResult<T>;

/**
 * Runs `tasks` as Go's errgroup does: an error cancels the others and is thrown, once all of them have ended. Recoverable errors
 * (`breaker-table.ts`) cancel nobody: they are found in the results.
 * @throws the first error that is not recoverable (`errors: 'first'`, the default); an AggregateError of all of those
 * (`'all'`); PF_BREAKER_OPEN; the reason of `signal`.
 */
export async function fanOut<T>(
  tasks: readonly Task<T>[],
  options: FanOutOptions = {},
): Promise<readonly FanOutResult<T>[]> {
  const { errors = 'first', concurrency = tasks.length, signal, breaker } = options;
  signal?.throwIfAborted();
  if (tasks.length === 0) return [];
  const isProbe = breaker?.isClosed === false;
  const refusal = isProbe ? breaker.admitProbe() : undefined;
  if (refusal !== undefined) throw refusal;
  const run = new Run(tasks, errors === 'first');
  const onAbort = (): void => run.cancel(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  await run.finish(Math.max(1, concurrency));
  signal?.removeEventListener('abort', onAbort);
  const row = signal?.aborted === true ? 'cancelled-by-client' : run.worst;
  if (isProbe) breaker.probed(row);
  else breaker?.record(row);
  signal?.throwIfAborted();
  const [first] = run.failures;
  if (run.failures.length === 0) return run.results;
  if (errors === 'all')
    throw new AggregateError(run.failures, `${run.failures.length} of ${tasks.length} tasks failed`);
  throw first;
}

class Run<T> {
  readonly results: FanOutResult<T>[];
  /** Errors that are not recoverable, in the order in which they came. */
  readonly failures: unknown[] = [];
  private readonly tasks: readonly Task<T>[];
  private readonly endsAtFirst: boolean;
  private readonly controller = new AbortController();
  private next = 0;
  /** The one outcome of all. */
  worst: BreakerRow = 'answered';

  constructor(tasks: readonly Task<T>[], endsAtFirst: boolean) {
    this.tasks = tasks;
    this.endsAtFirst = endsAtFirst;
    this.results = new Array<FanOutResult<T>>(tasks.length);
  }

  cancel(reason: unknown): void {
    this.controller.abort(reason);
  }

  async finish(concurrency: number): Promise<void> {
    const workers = Array.from({ length: Math.min(concurrency, this.tasks.length) }, () => this.work());
    await Promise.all(workers);
  }

  private async work(): Promise<void> {
    for (let index = this.next++; index < this.tasks.length; index = this.next++) {
      const { signal } = this.controller;
      try {
        signal.throwIfAborted();
        const task = this.tasks[index];
        if (task !== undefined) this.results[index] = { status: 'fulfilled', value: await task(signal) };
      } catch (error) {
        this.results[index] = { status: 'rejected', reason: error };
        if (!signal.aborted) this.failed(error);
      }
    }
  }

  private failed(error: unknown): void {
    const row = rowOfThrown(error);
    if (badness(row) > badness(this.worst)) this.worst = row;
    if (BREAKER_TABLE[row].isRecoverable) return;
    this.failures.push(error);
    if (this.endsAtFirst) this.cancel(error);
  }
}

/** What Node and undici call what has a row; anything else that is thrown is a bug. */
const OF_NODE: Readonly<Record<string, BreakerRow>> = {
  ECONNREFUSED: 'connect-refused',
  EHOSTUNREACH: 'connect-refused',
  ENETUNREACH: 'connect-refused',
  ENOTFOUND: 'connect-refused',
  EAI_AGAIN: 'connect-refused',
  ETIMEDOUT: 'connect-timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect-timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_HEADERS_TIMEOUT: 'deadline-exceeded',
  UND_ERR_BODY_TIMEOUT: 'deadline-exceeded',
};

/** `fetch` hides the system's error in a cause; `AbortSignal.timeout` throws a TimeoutError. */
function rowOfThrown(error: unknown): BreakerRow {
  if (error instanceof ProxyError) return rowOfError(error);
  if (!(error instanceof Error)) return 'bug';
  if (error.name === 'TimeoutError') return 'deadline-exceeded';
  const { code = '' } = error as NodeJS.ErrnoException;
  const cause = error.cause === undefined ? '' : ((error.cause as NodeJS.ErrnoException).code ?? '');
  return OF_NODE[code] ?? OF_NODE[cause] ?? 'bug';
}

/** What says most of the upstream: a failure that feeds the run, another failure, anything else that is no answer. */
function badness(row: BreakerRow): number {
  const { feedsRun, ratio } = BREAKER_TABLE[row];
  return feedsRun ? 3 : ratio === 'failure' ? 2 : row === 'answered' ? 0 : 1;
}
