// Follows one service by blocking queries: index in, list out, again; slower where it changes without end.
import { sleep, type Clock } from '../../src/util/clock.ts';
import type { ReadingSink } from '../../src/registry/driver.ts';
import type { ServiceKey } from '../../src/registry/types.ts';
import { MAX_POLLS, type Connection } from './connection.ts';
import { readHealth } from './health-list.ts';
import type { ListIds } from './names.ts';

/** What following needs around it. */
export interface LongPollOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly ids: ListIds;
  /** Services followed now: they share the connections. */
  followed(): number;
  epoch(signal: AbortSignal): Promise<string>;
}

/**
 * How long a query may block, in ms, before jitter. Consul adds a sixteenth, and a slow way its own time; what must come
 * out is less than four fifths of the driver's `silenceMs`.
 */
const WAIT_MS = 5_000;
const WAIT_JITTER_MS = 2_000;
const MIN_WAIT_MS = 250;
/** Queries in a row that need no pause (an instance that says it leaves, and leaves), and the pause of those after them. */
const BURST = 8;
const PAUSE_MS = 500;

/** Never resolves: rejects when a query fails or the signal aborts. The first query does not block. */
export async function followByLongPolls(
  key: ServiceKey,
  sink: ReadingSink,
  signal: AbortSignal,
  options: LongPollOptions,
): Promise<never> {
  const { connection, clock, ids } = options;
  const epoch = await options.epoch(signal);
  let index = 0;
  let allowance = BURST;
  for (;;) {
    const sentAtMs = clock.now();
    const after = { index, waitMs: waitMs(clock, options.followed()) };
    const query = { after, epoch, onProgress: () => sink.alive() };
    const { reading, index: next } = await readHealth(connection, key, ids, query, signal);
    sink.reading(reading); // The core drops it where nothing changed.
    // An index that goes back belongs to another history: from the beginning. One below 1 would make queries not block.
    index = next < index ? 0 : Math.max(1, next);
    allowance = Math.min(BURST, allowance + (clock.now() - sentAtMs) / PAUSE_MS) - 1;
    if (allowance < 0) await sleep(clock, PAUSE_MS, signal);
  }
}

/** With more services than connections the queries take turns, and shorter ones. */
function waitMs(clock: Clock, followed: number): number {
  const share = Math.min(1, MAX_POLLS / Math.max(1, followed));
  return share < 1 ? Math.max(MIN_WAIT_MS, WAIT_MS * share * 0.5) : WAIT_MS + WAIT_JITTER_MS * clock.random();
}
