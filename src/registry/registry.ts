// The shared core as one object: both ports of a registry, made of an adapter's driver. What the composition root holds.
import { setMaxListeners } from 'node:events';
import { systemClock, type Clock } from '../util/clock.ts';
import type { HostPort } from './address.ts';
import { Admission, type AddressPolicy } from './admission.ts';
import type { RegistryDriver } from './driver.ts';
import { withDeadline } from './deadline.ts';
import { GUARD_DEFAULTS, type GuardOptions } from './guard.ts';
import { problemOfKey } from './record.ts';
import { ActiveRegistration } from './registration.ts';
import { ServiceWatcher, type WatcherOptions } from './service-watcher.ts';
import { openSnapshotStore, type SnapshotStore } from './snapshot-store.ts';
import { asRegistryError, keyText, RegistryError } from './types.ts';
import type {
  Capabilities,
  DeregisterOptions,
  Registration,
  RegistrationHandle,
  RegistrationState,
  RegistryAdapter,
  ServiceDiscovery,
  ServiceInstance,
  ServiceKey,
  ServiceRegistry,
  Snapshot,
  Watch,
  WatchOptions,
  WatchState,
  WatchStats,
} from './types.ts';

/** Something worth a log line. */
export type RegistryEvent =
  | {
      readonly kind: 'watch-state';
      readonly key: ServiceKey;
      readonly state: WatchState;
      readonly reason?: RegistryError;
    }
  | {
      readonly kind: 'registration-state';
      readonly instance: ServiceInstance;
      readonly state: RegistrationState;
      readonly reason?: RegistryError;
    }
  /** The guard did not believe a list that lost all or most of its members. */
  | { readonly kind: 'guarded'; readonly key: ServiceKey }
  /** An adapter that had a choice has made it; `reason`: what it found where it would rather have gone. */
  | { readonly kind: 'driver'; readonly name: string; readonly reason?: RegistryError }
  /** A bug in who listens, or a snapshot directory that does not work. */
  | { readonly kind: 'listener-error' | 'snapshot-error'; readonly error: unknown };

/** What a registry is opened with, whichever it is. Every field has a default. */
export interface RegistryContext {
  readonly clock?: Clock;
  /** `registry.ttl` in ms: bounds the spread of reconnects to a third of it. Default 10,000. */
  readonly ttlMs?: number;
  readonly guard?: Partial<GuardOptions>;
  /** Directory of last good lists; none by default. */
  readonly snapshots?: string;
  /** Loopback addresses of others are used. Default: only where the registry is one of this host (`file`, `static`). */
  readonly allowLoopback?: boolean;
  /** Our own admin and outbound listeners as bound now: records that point there are rejected. Default: none. */
  readonly ownAddresses?: () => readonly HostPort[];
  /** Told what is worth a log line. Must not throw. */
  readonly onEvent?: (event: RegistryEvent) => void;
}

/** One watched service, for status pages and metrics. */
export interface WatchSummary {
  readonly key: ServiceKey;
  readonly state: WatchState;
  /** Metric `pilotfish_registry_staleness_seconds`, in ms. */
  readonly stalenessMs: number;
  readonly lastError: RegistryError | undefined;
  readonly stats: WatchStats;
}

/** State of everything, as of now. */
export interface RegistryStatus {
  readonly name: string;
  /** Metric `pilotfish_registry_up`: heard, as far as watches and registrations tell; undefined before anything was tried. */
  readonly isUp: boolean | undefined;
  readonly watches: readonly WatchSummary[];
  readonly registrations: readonly RegistrationHandle[];
  /** Listeners that threw, of watches and registrations. */
  readonly listenerErrors: number;
}

/** Both ports, and the state behind them. */
export interface Registry extends RegistryAdapter, ServiceDiscovery, ServiceRegistry {
  /** One list, validated, without a watch; rejects with RegistryError. */
  read(key: ServiceKey, signal: AbortSignal): Promise<Snapshot>;
  readonly status: RegistryStatus;
}

/**
 * Builds a registry on a driver. Watches of one service share one stream; closing leaves nothing open.
 * @param source names the registry (type and address, no credentials), so that snapshots of another one are not mixed in.
 */
export function createRegistry(driver: RegistryDriver, source: string, context: RegistryContext = {}): Registry {
  return new CoreRegistry(driver, source, context);
}

class CoreRegistry implements Registry {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly discovery: ServiceDiscovery = this;
  readonly registry: ServiceRegistry = this;
  private readonly driver: RegistryDriver;
  private readonly clock: Clock;
  private readonly context: RegistryContext;
  private readonly policy: AddressPolicy;
  private readonly watcherOptions: WatcherOptions;
  private readonly store: SnapshotStore | undefined;
  private readonly watchers = new Map<string, ServiceWatcher>();
  private readonly registrations = new Set<ActiveRegistration>();
  private readonly closing = new AbortController();
  private listenerErrors = 0;

  constructor(driver: RegistryDriver, source: string, context: RegistryContext) {
    this.name = driver.name;
    this.capabilities = driver.capabilities;
    this.driver = driver;
    this.context = context;
    // Every call that runs listens to it: hundreds, at a start with as many services.
    setMaxListeners(0, this.closing.signal);
    this.clock = context.clock ?? systemClock;
    this.policy = {
      allowsLoopback: context.allowLoopback ?? driver.traits.isLocal,
      ownAddresses: context.ownAddresses ?? (() => []),
    };
    const onError = (error: unknown): void => this.tell({ kind: 'snapshot-error', error });
    this.store =
      context.snapshots === undefined
        ? undefined
        : openSnapshotStore({ directory: context.snapshots, source, clock: this.clock, onError });
    this.watcherOptions = {
      clock: this.clock,
      guard: { ...GUARD_DEFAULTS, ...context.guard },
      policy: this.policy,
      ttlMs: context.ttlMs ?? 10_000,
      store: driver.traits.isStatic ? undefined : this.store,
      onState: (key, state, reason) =>
        this.tell({ kind: 'watch-state', key, state, ...(reason === undefined ? {} : { reason }) }),
      onGuarded: (key) => this.tell({ kind: 'guarded', key }),
      onListenerError: (_key, error) => this.listenerFailed(error),
      onClosed: (key) => void this.watchers.delete(mapKey(key)),
    };
  }

  watch(key: ServiceKey, options: WatchOptions): Watch {
    this.refuseWhenClosed();
    const problem = problemOfKey(key);
    if (problem !== undefined) throw new RegistryError('invalid', problem);
    let watcher = this.watchers.get(mapKey(key));
    if (watcher === undefined) {
      watcher = new ServiceWatcher(this.driver, { ...key }, this.watcherOptions);
      this.watchers.set(mapKey(key), watcher);
    }
    return watcher.watch(options);
  }

  async list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]> {
    const keys = await this.call(signal, (limited) => this.driver.list(prefix, limited));
    return keys.sort((a, b) => (mapKey(a) < mapKey(b) ? -1 : 1));
  }

  async ping(signal: AbortSignal): Promise<{ readonly rttMs: number; readonly epoch: string }> {
    const startMs = this.clock.now();
    const { epoch } = await this.call(signal, (limited) => this.driver.ping(limited));
    return { rttMs: this.clock.now() - startMs, epoch };
  }

  async read(key: ServiceKey, signal: AbortSignal): Promise<Snapshot> {
    const reading = await this.call(signal, (limited) => this.driver.read(key, limited));
    const { instances, rejected } = new Admission(this.policy).take(reading);
    const { revision, epoch } = reading;
    const origin = this.driver.traits.isStatic ? 'static' : 'live';
    return { key, instances, rejected, revision, epoch, observedAtMs: this.clock.now(), origin };
  }

  register(registration: Registration): RegistrationHandle {
    this.refuseWhenClosed();
    const own = new ActiveRegistration(registration, {
      clock: this.clock,
      driver: this.driver,
      onState: (instance, state, reason) =>
        this.tell({ kind: 'registration-state', instance, state, ...(reason === undefined ? {} : { reason }) }),
      onListenerError: (error) => this.listenerFailed(error),
      onGone: (gone) => void this.registrations.delete(gone),
    });
    this.registrations.add(own);
    return own;
  }

  async deregister(instance: ServiceInstance, options: DeregisterOptions): Promise<'removed' | 'left-to-expire'> {
    const ttlMs = Math.max(this.capabilities.minTtlMs, this.context.ttlMs ?? 10_000);
    const keeper = this.driver.keep(instance, ttlMs, { lost: () => undefined });
    try {
      await withDeadline(this.clock, options.deadlineMs, [this.closing.signal], (signal) => keeper.remove(signal));
      return 'removed';
    } catch {
      return 'left-to-expire';
    } finally {
      keeper.close();
    }
  }

  get status(): RegistryStatus {
    const watches = [...this.watchers.values()].map((watcher) => ({ key: watcher.key, ...watcher.summary }));
    const registrations = [...this.registrations];
    // Whoever says that an id is taken was heard.
    const isHeard =
      watches.some((watch) => watch.state === 'live') ||
      registrations.some(({ state }) => state === 'registered' || state === 'conflict');
    const hasFailed = watches.some((watch) => watch.lastError) || registrations.some((own) => own.lastError);
    const isUp = isHeard ? true : hasFailed ? false : undefined;
    return { name: this.name, isUp, watches, registrations, listenerErrors: this.listenerErrors };
  }

  async close(): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort(new RegistryError('aborted', 'registry closed'));
    for (const watcher of [...this.watchers.values()]) watcher.close();
    for (const registration of [...this.registrations]) registration.abandon();
    await this.store?.close();
    await this.driver.close();
  }

  private async call<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.refuseWhenClosed();
    const { callTimeoutMs } = this.driver.traits;
    try {
      return await withDeadline(this.clock, callTimeoutMs, [signal, this.closing.signal], call);
    } catch (error) {
      throw asRegistryError(error, `registry ${this.name}`);
    }
  }

  private refuseWhenClosed(): void {
    if (this.closing.signal.aborted) throw new RegistryError('aborted', 'the registry is closed');
  }

  private listenerFailed(error: unknown): void {
    this.listenerErrors++;
    this.tell({ kind: 'listener-error', error });
  }

  private tell(event: RegistryEvent): void {
    try {
      this.context.onEvent?.(event);
    } catch {
      this.listenerErrors++; // The log itself failed: there is nobody left to tell.
    }
  }
}

function mapKey(key: ServiceKey): string {
  return JSON.stringify([key.namespace, key.group, keyText(key), key.service]);
}
