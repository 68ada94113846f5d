// Follows one service: by blocking queries of its own while there are connections enough, else whenever the catalog changed.
import { sleep, type Clock } from '../../src/util/clock.ts';
import type { ReadingSink } from '../../src/registry/driver.ts';
import type { ServiceKey } from '../../src/registry/types.ts';
import type { CatalogChanges } from './catalog-changes.ts';
import { MAX_POLLS, type Connection } from './connection.ts';
import { readHealth } from './health-list.ts';
import type { IndexLooks } from './index-looks.ts';
import type { ListIds } from './names.ts';

/** What following needs around it. */
export interface FollowOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly ids: ListIds;
  readonly changes: CatalogChanges;
  readonly looks: IndexLooks;
  /** When the list of a service was read last, by the clock; outlives a failure of following it. */
  readonly listedAtMs: WeakMap<ServiceKey, number>;
  /** Services followed now: they share the connections. */
  followed(): number;
  epoch(signal: AbortSignal): Promise<string>;
}

interface Follower extends FollowOptions {
  readonly key: ServiceKey;
  readonly sink: ReadingSink;
  readonly signal: AbortSignal;
  readonly identity: string;
  /** Of the last list; 0: the next one is read at once, whatever its index. */
  index: number;
}

/**
 * How long a query may block, in ms, before jitter. Consul adds a sixteenth, and a slow way its own time; what must come
 * out is less than four fifths of the driver's `silenceMs`.
 */
const WAIT_MS = 5_000;
const WAIT_JITTER_MS = 2_000;
/** Queries in a row that need no pause (an instance that says it leaves, and leaves), and the pause of those after them. */
const BURST = 8;
const PAUSE_MS = 500;
/** Connections that are left for those without a query of their own. */
const SPARE_POLLS = 8;
/** Services looked at in a second at most, of all that have no query of their own, while the catalog changes without end. */
const LOOKS_PER_SECOND = 1_500;
const MIN_ROUND_MS = 250;
/** Half of the driver's `silenceMs`, since nothing is heard in between: with 9,000 services and more, more of them are looked at. */
const MAX_ROUND_MS = 6_000;
/** Nothing that the two indexes do not tell (the address of a node, rights that were taken) stays unseen for longer, in ms. */
const FULL_READ_MS = 60_000;

/** Never resolves: rejects when a query fails or the signal aborts. The first query does not block. */
export async function followService(
  key: ServiceKey,
  sink: ReadingSink,
  signal: AbortSignal,
  options: FollowOptions,
): Promise<never> {
  const follower: Follower = { ...options, key, sink, signal, identity: await options.epoch(signal), index: 0 };
  for (;;) {
    await (isCrowded(follower) ? byChanges(follower) : byQueries(follower));
  }
}

function isCrowded(follower: Follower): boolean {
  return follower.followed() > MAX_POLLS - SPARE_POLLS;
}

/** One blocking query after another; slower where it changes without end. Resolves when it gets too crowded. */
async function byQueries(follower: Follower): Promise<void> {
  const { clock, signal } = follower;
  let allowance = BURST;
  while (!isCrowded(follower)) {
    const sentAtMs = clock.now();
    await readAfter(follower, WAIT_MS + WAIT_JITTER_MS * clock.random());
    allowance = Math.min(BURST, allowance + (clock.now() - sentAtMs) / PAUSE_MS) - 1;
    if (allowance < 0) await sleep(clock, PAUSE_MS, signal);
  }
}

/**
 * A look at the index whenever anything in the catalog changed, and the list where that is another one. Where the list is
 * new enough, it is read again only once changes can be heard of: while they cannot, each try would cost a list.
 */
async function byChanges(follower: Follower): Promise<void> {
  const { clock, signal, changes, looks, sink, key, listedAtMs } = follower;
  const { watch, leave } = changes.join();
  let readAtMs = -Infinity;
  const isDue = (): boolean => clock.now() - readAtMs >= FULL_READ_MS;
  const heard = (): boolean => {
    sink.alive();
    return isDue();
  };
  try {
    if (clock.now() - (listedAtMs.get(key) ?? -Infinity) < FULL_READ_MS) await watch.after(0, signal);
    while (isCrowded(follower)) {
      const seen = watch.version;
      const lookedAtMs = clock.now();
      if (isDue() || (await looks.index(key, signal, () => sink.alive())) !== follower.index) {
        follower.index = 0;
        await readAfter(follower, 0);
        readAtMs = lookedAtMs - FULL_READ_MS * 0.2 * clock.random(); // So that they do not come all at once.
      } else sink.alive();
      await watch.after(seen, signal, heard);
      const roundMs = Math.max(MIN_ROUND_MS, (follower.followed() / LOOKS_PER_SECOND) * 1_000);
      const earlyMs = Math.min(MAX_ROUND_MS, roundMs) - (clock.now() - lookedAtMs);
      if (earlyMs > 0) await sleep(clock, earlyMs, signal);
    }
  } finally {
    leave();
  }
}

/** Reads the list that comes after the one at hand, or the same one after `waitMs`. */
async function readAfter(follower: Follower, waitMs: number): Promise<void> {
  const { connection, clock, key, ids, sink, signal, index, listedAtMs } = follower;
  const query = { after: { index, waitMs }, epoch: follower.identity, onProgress: () => sink.alive() };
  const { reading, index: next } = await readHealth(connection, key, ids, query, signal);
  listedAtMs.set(key, clock.now());
  sink.reading(reading); // The core drops it where nothing changed.
  follower.index = next < index ? 0 : next; // One that goes back belongs to another history: from the beginning.
}
