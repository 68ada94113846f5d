// The seam below the shared core: what an adapter provides. Rules (REGISTRIES §2) are the core's, protocol is the driver's.
import type { Capabilities, ServiceInstance, ServiceKey } from './types.ts';

/** A whole list as the registry gave it. Drivers fold deltas themselves and hand over what they have, in any order. */
export interface Reading {
  /** Decoded with `record.ts`; unchanged records should be the same objects as before, which makes comparing cheap. */
  readonly instances: readonly ServiceInstance[];
  readonly rejected: readonly { readonly ref: string; readonly reason: string }[];
  /** Opaque. */
  readonly revision: string;
  /** Identity of the cluster, agent or directory. */
  readonly epoch: string;
  /** A number that only grows within an epoch, where the registry has one; going back counts as another epoch. */
  readonly sequence?: number;
  /** Ids missing for a reason that needs no second look: an explicit delete, or proof that the process is dead. */
  readonly departed?: ReadonlySet<string>;
}

/** Where `follow` reports to. */
export interface ReadingSink {
  /** A whole list: the first at once, then one after each change (or burst of changes of one turn). */
  reading(reading: Reading): void;
  /** The registry was heard and nothing changed (a progress notification, an answered poll, a sweep). */
  alive(): void;
}

/** Who holds our id in the registry. */
export interface Holder {
  readonly owner: string | undefined;
  readonly host: string;
  readonly port: number;
  /** False where the registry knows that the holder is dead: then anybody may take over. */
  readonly isAlive: boolean;
}

/** Keeps one record of ours. The core decides when to call what, one call at a time; each call honours its signal. */
export interface RecordKeeper {
  /** Who holds our id now; undefined: nobody. */
  holder(signal: AbortSignal): Promise<Holder | undefined>;
  /**
   * Writes the record and begins a new life of one TTL (a new lease, check or connection).
   * @param replacing what `holder()` said: where the registry can, fail with `conflict` if that is no longer so.
   */
  put(instance: ServiceInstance, replacing: Holder | undefined, signal: AbortSignal): Promise<void>;
  /** Writes the record anew under the life it has, which is a sign of life as well; `lost`: it has none any more. */
  update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'>;
  /** One sign of life, worth a TTL; `lost`: the registry does not know the record any more. */
  refresh(signal: AbortSignal): Promise<'kept' | 'lost'>;
  /** Takes the record away if it is still ours; resolves as well where it is gone already. */
  remove(signal: AbortSignal): Promise<void>;
  /** Frees what the keeper holds open; the record stays. */
  close(): void;
}

/** Of registries that others fill (a name server, our own configuration): there is nothing to keep, and nothing to lose. */
export const NO_RECORD: RecordKeeper = {
  holder: () => Promise.resolve(undefined),
  put: () => Promise.resolve(),
  update: () => Promise.resolve('kept'),
  refresh: () => Promise.resolve('kept'),
  remove: () => Promise.resolve(),
  close: () => undefined,
};

/** What `keep` may report by itself, where the registry tells us (a lease stream, a connection). */
export interface KeeperEvents {
  /** The record's life ended; the core registers anew. */
  lost(): void;
}

/** Fixed properties of a driver that the core schedules by. */
export interface DriverTraits {
  /** Silence, in ms, after which a followed service is `stale` and followed anew; Infinity where nothing can fall silent. */
  readonly silenceMs: number;
  /** Deadline of one call, in ms. */
  readonly callTimeoutMs: number;
  /** `holder()` is asked every so many signs of life; 0 where `refresh` itself tells. */
  readonly verifyEveryBeats: number;
  /** Loopback addresses are ordinary here (everything runs on one host). */
  readonly isLocal: boolean;
  /** Lists come from configuration and are never stale. */
  readonly isStatic: boolean;
}

/** One registry, spoken to. Made by an adapter, used by the core alone. Every promise may reject with RegistryError. */
export interface RegistryDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly traits: DriverTraits;
  /**
   * Follows one service until the signal aborts or the registry is lost; the core calls again after a back-off. Called
   * once per key at a time.
   */
  follow(key: ServiceKey, sink: ReadingSink, signal: AbortSignal): Promise<void>;
  /** One independent read: the guard's second look, and the command line's `registry ls SERVICE`. */
  read(key: ServiceKey, signal: AbortSignal): Promise<Reading>;
  list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]>;
  ping(signal: AbortSignal): Promise<{ readonly epoch: string }>;
  /** Prepares a registration; sends nothing yet. Throws `invalid` for what this registry cannot spell. */
  keep(instance: ServiceInstance, ttlMs: number, events: KeeperEvents): RecordKeeper;
  close(): Promise<void>;
}
