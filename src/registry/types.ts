// The two ports to a registry, and the values that cross them. Adapters implement them; everything else sees only these.

/** Names a service. `namespace` and `group` are `default` where nothing else is said. */
export interface ServiceKey {
  readonly namespace: string;
  readonly group: string;
  readonly service: string;
}

/** What a registry says of one running copy of a service. */
export interface ServiceInstance {
  readonly key: ServiceKey;
  /** Stable over restarts of the same copy; unique within its service. */
  readonly id: string;
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
  readonly protocol: 'http' | 'https' | 'h2c' | 'tcp';
  /** 0..1000; 100 is ordinary, 0 takes no new traffic. */
  readonly weight: number;
  readonly zone?: string;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly health: 'passing' | 'warning' | 'critical' | 'unknown';
  readonly enabled: boolean;
  /** Random per process: tells two processes that claim one id apart. */
  readonly owner?: string;
  /** The copy said that it is about to go (an explicit removal will follow). */
  readonly leaving?: boolean;
}

/** The whole list of a service's instances at one moment; never a delta, never edited. */
export interface Snapshot {
  readonly key: ServiceKey;
  /** Sorted by id, ids unique. */
  readonly instances: readonly ServiceInstance[];
  /** Foreign or broken records, with the reason: reported, never thrown. */
  readonly rejected: readonly { readonly ref: string; readonly reason: string }[];
  /** Opaque; for equality only. */
  readonly revision: string;
  /** Identity of the cluster, agent or directory; a change voids history. */
  readonly epoch: string;
  /** Monotonic ms (`Clock.now`) at which the registry was last known to say so. */
  readonly observedAtMs: number;
  readonly origin: 'live' | 'held' | 'disk' | 'static';
}

/** `syncing`: no list yet, which is not an empty list. `stale`: the registry cannot be heard, the last list is held. */
export type WatchState = 'syncing' | 'live' | 'stale' | 'denied' | 'closed';

/** A snapshot, and what this process thinks of its members: what a picker is built from. Immutable, replaced whole. */
export interface ServiceView {
  readonly snapshot: Snapshot;
  /** Ids that the registry no longer names and nobody explained: pick last, probe, and report with `Watch.probeFailed`. */
  readonly suspects: ReadonlySet<string>;
  /** Ids that came and went too often: pick last, never leave out. */
  readonly flapping: ReadonlySet<string>;
}

/** Counters of one watched service, only ever growing. */
export interface WatchStats {
  /** Lists that came from the registry. */
  readonly readings: number;
  /** Views handed to listeners. */
  readonly applies: number;
  /** Lists that changed nothing and were dropped. */
  readonly equal: number;
  /** Times the guard refused to believe a list as it came. */
  readonly guarded: number;
  /** Failures of the registry. */
  readonly errors: number;
  /** Listeners that threw. */
  readonly listenerErrors: number;
}

/** A running subscription to one service. */
export interface Watch {
  readonly key: ServiceKey;
  readonly state: WatchState;
  /** The newest view; undefined while there was no list yet, which is not an empty list. */
  readonly view: ServiceView | undefined;
  /** Age of what is known, in ms: 0 while `live`; while `syncing`, since the watch began. */
  readonly stalenessMs: number;
  /** The last failure, while the state is not `live`. */
  readonly lastError: RegistryError | undefined;
  readonly stats: WatchStats;
  /** Verdict on a suspect: it did not answer as the service it claims to be, and is dropped. Without effect on others. */
  probeFailed(id: string): void;
  /** Ends the subscription; afterwards no listener is called. */
  close(): void;
}

/** What a watch reports. A listener that throws is counted and loses nobody's data. */
export interface WatchOptions {
  /** The newest view, at most 50 times a second; never called inside `watch()` itself. */
  onView?(view: ServiceView): void;
  onState?(state: WatchState, reason?: RegistryError): void;
}

/** Reads a registry. `watch` returns at once and goes on for ever: an absent server is a state, not a failure. */
export interface ServiceDiscovery {
  watch(key: ServiceKey, options: WatchOptions): Watch;
  /** All services that match; an omitted field matches everything. Rejects with RegistryError. */
  list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]>;
  ping(signal: AbortSignal): Promise<{ readonly rttMs: number; readonly epoch: string }>;
  close(): Promise<void>;
}

export type RegistrationState =
  'pending' | 'registered' | 'at-risk' | 'lost' | 'conflict' | 'denied' | 'leaving' | 'gone';

/** What to put into the registry and for how long one sign of life is good. */
export interface Registration {
  readonly instance: ServiceInstance;
  /** Time without a sign of life after which the registry may forget us; ≥ the adapter's `minTtlMs`. */
  readonly ttlMs: number;
}

/** The fields of a record that change while it stands. */
export type InstanceUpdate = Partial<Pick<ServiceInstance, 'weight' | 'metadata' | 'tags' | 'zone' | 'leaving'>>;

/** How a record is taken away. */
export interface DeregisterOptions {
  /** The whole of it, in ms; past that the record is left to expire. */
  readonly deadlineMs: number;
  /** Time between the mark `leaving` and the removal, so that callers turn away first; by default as long as they need to read it. */
  readonly settleMs?: number;
}

/** One registration of ours and what keeps it alive. */
export interface RegistrationHandle {
  readonly instance: ServiceInstance;
  readonly state: RegistrationState;
  /** The last error, while something is wrong. */
  readonly lastError: RegistryError | undefined;
  /** Monotonic ms until which the registry has promised to keep the record; 0 before the first acknowledgement. */
  readonly promisedUntilMs: number;
  /** Resolves at the first acknowledgement; rejects when the signal aborts or the handle is deregistered. */
  registered(signal: AbortSignal): Promise<void>;
  setHealth(health: ServiceInstance['health'], note?: string): void;
  update(change: InstanceUpdate): void;
  /** Marks the record as leaving, waits `settleMs`, takes it away; never rejects, never takes longer than `deadlineMs`. */
  deregister(options: DeregisterOptions): Promise<'removed' | 'left-to-expire'>;
  /** Calls `listener` at every change of state, until the returned function is called. */
  onState(listener: (state: RegistrationState, reason?: RegistryError) => void): () => void;
}

/** Writes to a registry. `register` returns at once and goes on until deregistered. */
export interface ServiceRegistry {
  register(registration: Registration): RegistrationHandle;
  /** Removes somebody's record (the command line's `registry register` after a crash, tests). */
  deregister(instance: ServiceInstance, options: DeregisterOptions): Promise<'removed' | 'left-to-expire'>;
  /** Leaves no socket, timer or stream behind; registrations that still stand are left to expire. */
  close(): Promise<void>;
}

/** What a registry can and cannot do; shared code asks this, never for an adapter's name. */
export interface Capabilities {
  readonly liveness: 'lease' | 'ttl-check' | 'heartbeat' | 'connection' | 'none';
  readonly watch: 'stream' | 'long-poll' | 'push' | 'poll';
  /** What becomes of a record whose owner died. */
  readonly onExpiry: 'removed' | 'critical' | 'none';
  /** How long after its TTL a dead copy may still be listed as alive. */
  readonly detectWithinMs: number;
  readonly nativeWeights: boolean;
  readonly nativeHealth: boolean;
  readonly exclusiveIds: boolean;
  readonly tellsDeniedFromEmpty: boolean;
  readonly minTtlMs: number;
  readonly maxMetadataBytes: number;
}

/** Both ports of one registry, as an adapter's factory gives them. */
export interface RegistryAdapter {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly discovery: ServiceDiscovery;
  readonly registry: ServiceRegistry;
  close(): Promise<void>;
}

export type RegistryErrorKind =
  | 'unavailable'
  | 'timeout'
  | 'unauthenticated'
  | 'forbidden'
  | 'conflict'
  | 'invalid'
  | 'unsupported'
  | 'protocol'
  | 'aborted';

/** A failure of or at a registry. The message never holds a credential. */
export class RegistryError extends Error {
  readonly kind: RegistryErrorKind;

  constructor(kind: RegistryErrorKind, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RegistryError';
    this.kind = kind;
  }
}

/** Anything thrown, as a RegistryError: itself if it is one, else wrapped with `where` and the kind its code suggests. */
export function asRegistryError(thrown: unknown, where: string): RegistryError {
  if (thrown instanceof RegistryError) return thrown;
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  const name = thrown instanceof Error ? thrown.name : '';
  const kind = name === 'AbortError' ? 'aborted' : code === 'EACCES' || code === 'EPERM' ? 'forbidden' : 'unavailable';
  return new RegistryError(kind, code === undefined ? where : `${where}: ${code}`, { cause: thrown });
}

/** `service`, or `namespace/group/service` where they are not the default: how logs and metrics name a key. */
export function keyText(key: ServiceKey): string {
  return key.namespace === 'default' && key.group === 'default'
    ? key.service
    : `${key.namespace}/${key.group}/${key.service}`;
}

/** A key with `default` in the fields that are not given. */
export function serviceKey(service: string, namespace = 'default', group = 'default'): ServiceKey {
  return { namespace, group, service };
}

/** Same service? */
export function sameKey(a: ServiceKey, b: ServiceKey): boolean {
  return a.service === b.service && a.namespace === b.namespace && a.group === b.group;
}
