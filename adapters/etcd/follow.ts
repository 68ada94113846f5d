// Follows one service: list at a revision, watch from the next on, and back to the list whenever history is in doubt.
import type { ReadingSink } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceKey } from '../../src/registry/types.ts';
import type { Clock, Timer } from '../../src/util/clock.ts';
import type { RecordFormat } from './format.ts';
import type { RangeReader } from './range.ts';
import type { RightsCheck } from './rights-check.ts';
import { ServiceFold } from './service-fold.ts';
import type { WatchStreams } from './watch-streams.ts';

/** What following needs. */
export interface FollowContext {
  readonly clock: Clock;
  readonly format: RecordFormat;
  readonly ranges: RangeReader;
  readonly streams: WatchStreams;
  /** Undefined where nobody has rights that could be taken. */
  readonly rights: RightsCheck | undefined;
}

/** Between two readings of a service that changes all the time, in ms; one change alone is told at once. */
const GATHER_MS = 10;
/** A watch that goes back to the list sooner than this has something wrong with it, and waits as after an error, in ms. */
const MIN_WATCH_MS = 1_000;

/** Until the signal aborts; rejects with RegistryError where the registry is lost. */
export async function follow(
  key: ServiceKey,
  sink: ReadingSink,
  signal: AbortSignal,
  context: FollowContext,
): Promise<void> {
  const prefix = context.format.servicePrefix(key);
  while (!signal.aborted) {
    const startMs = context.clock.now();
    const list = await context.ranges.list(prefix, signal);
    const fold = new ServiceFold(key, context.format, list);
    sink.reading(fold.reading());
    const doubt = await watch(prefix, list, fold, { sink, signal, context });
    if (context.clock.now() - startMs < MIN_WATCH_MS) throw doubt;
  }
}

/** Resolves with the reason where the list has to be read again; rejects where the registry is lost or the signal aborts. */
function watch(
  prefix: string,
  list: { readonly revision: number; readonly clusterId: string },
  fold: ServiceFold,
  { sink, signal, context }: { sink: ReadingSink; signal: AbortSignal; context: FollowContext },
): Promise<RegistryError> {
  return new Promise((resolve, reject) => {
    const gather = new Gather(context.clock, () => sink.reading(fold.reading()));
    const finish = (): void => {
      unwatch();
      uncheck?.();
      gather.cancel();
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      finish();
      reject(signal.reason as Error);
    };
    const fail = (error: RegistryError): void => {
      finish();
      reject(error);
    };
    const readAgain = (why: string): void => {
      finish();
      resolve(new RegistryError('protocol', `etcd: ${why}`));
    };
    const unwatch = context.streams.watch(prefix, list.revision + 1, {
      heard: ({ clusterId, revision, isCreation }) => {
        if (clusterId !== list.clusterId) readAgain('another cluster answers');
        else if (!isCreation && revision < list.revision) readAgain('the revision went back');
        else sink.alive();
      },
      events: (events) => {
        fold.apply(events);
        gather.changed();
      },
      ended: (error) => {
        if (error === 'compacted') readAgain('history was compacted');
        else fail(error);
      },
    });
    const uncheck = context.rights?.watch(prefix, fail);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** Calls back at the first change at once, and then at most each `GATHER_MS`. */
class Gather {
  private readonly clock: Clock;
  private readonly tell: () => void;
  private lastMs = -Infinity;
  private timer: Timer | undefined = undefined;

  constructor(clock: Clock, tell: () => void) {
    this.clock = clock;
    this.tell = tell;
  }

  changed(): void {
    if (this.timer !== undefined) return;
    const waitMs = this.lastMs + GATHER_MS - this.clock.now();
    if (waitMs <= 0) this.now();
    else this.timer = this.clock.setTimer(waitMs, () => this.now());
  }

  cancel(): void {
    this.timer?.cancel();
  }

  private now(): void {
    this.timer = undefined;
    this.tell();
    this.lastMs = this.clock.now(); // Only now: what takes long is not begun again for the next answer of the same turn.
  }
}
