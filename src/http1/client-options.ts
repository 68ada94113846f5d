// What a client connection is given beside its socket: one object for each pool.
import type { WireLimits } from '../http/limits.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';

export interface ClientOptions {
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  /** Of the heads, trailers and chunks of answers. */
  readonly limits: WireLimits;
  /** `host:port`, for errors. */
  readonly endpoint: string;
  /** Announced content, a reader that wants it, and nothing comes: milliseconds, 0 = no bound. */
  readonly stallMs: number;
  /** Likewise where nothing is announced: streams and tunnels, where bytes of either direction count. */
  readonly idleMs: number;
}
