// What the suite asks of each registry under test. A harness offers what it can; what it cannot, it explains.
import type { RegistrySelection } from '../../adapters/index.ts';
import type { Registry, RegistryContext } from '../../src/registry/registry.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';

/** Things that a case may need and that not every registry has. */
export type Need =
  | 'server' // A server process to kill, start, stop.
  | 'rights' // Rights that can be missing, given and taken.
  | 'credentials' // Something secret, that can be wrong or expire.
  | 'network' // A connection that can be slow, cut, forged.
  | 'compaction' // A history that can be forgotten.
  | 'name' // Found by a name, as Node resolves it.
  | 'tls'
  | 'cluster'
  | 'full-disk'
  | 'processes'; // Registrants of their own process, to be killed.

/** One isolated place in the registry under test. */
export interface Space {
  /** What a registrant of its own process opens. */
  readonly selection: RegistrySelection;
  open(context?: RegistryContext): Promise<Registry>;
  /** Puts records of somebody else there, which need no sign of life for the next minutes. */
  plant(instances: readonly ServiceInstance[]): Promise<void>;
  /** Takes one of them away, as an operator would: without a word. */
  unplant(instance: ServiceInstance): Promise<void>;
  /** Removes somebody's record behind its back. */
  revoke(instance: ServiceInstance): Promise<void>;
  /** Loses all state. */
  wipe(): Promise<void>;
  /** Puts records there that are none, and says how many. */
  plantBroken(key: ServiceKey): Promise<number>;
  /** Makes the registry unreachable; `repair` mends it. */
  breakDown(): Promise<void>;
  repair(): Promise<void>;
  /** Need `rights`: forbids reading one service, or everything, to the actors of this space; and allows it again. */
  forbid?(key?: ServiceKey): Promise<void>;
  allow?(key?: ServiceKey): Promise<void>;
  /** Need `network`: what lies between everything that this space opens and the server. */
  readonly network?: FaultProxy;
  /** Need `name`: opens the registry as reached at `host:port`. */
  openAt?(address: string): Promise<Registry>;
  /** Need `compaction`: forgets all history up to now. */
  compact?(): Promise<void>;
  /** Need `credentials`: what must appear nowhere; and a registry opened with a wrong one. */
  readonly secrets?: readonly string[];
  openWithWrongSecret?(context?: RegistryContext): Promise<Registry>;
  /** Need `credentials`: makes the tokens in use worthless; without it, `breakDown` and `repair` do. */
  forgetTokens?(): Promise<void>;
  /** Makes forgotten tokens good again, where actors cannot get new ones by themselves. */
  renewTokens?(): Promise<void>;
  /** Need `tls`. */
  readonly tls?: TlsSpace;
  /** Need `cluster`. */
  readonly cluster?: ClusterSpace;
  /** Need `full-disk`. */
  fillDisk?(): Promise<void>;
  freeDisk?(): Promise<void>;
  /** User that actors run as, where another one than ours. */
  readonly actorUid?: number;
  close(): Promise<void>;
}

/** What a client finds wrong with a server's certificate; `trusted`: nothing. */
export type Trust = 'trusted' | 'wrong-ca' | 'wrong-name' | 'expired';

/** The registry over TLS, by an authority that only this space knows. */
export interface TlsSpace {
  /** Connects to a server whose certificate is so. `network` counts the connections. */
  open(trust: Trust): Promise<{ readonly registry: Registry; readonly network: FaultProxy }>;
  /** Connects with a certificate of our own, good for `validMs` more; `rotate` puts a lasting one into its place. */
  openMutual(validMs: number): Promise<{
    readonly registry: Registry;
    readonly network: FaultProxy;
    rotate(): Promise<void>;
  }>;
}

/** Several servers that are one registry. */
export interface ClusterSpace {
  readonly members: readonly ClusterMember[];
  /** The member that leads now, once there is one. */
  leader(): Promise<ClusterMember>;
  /** Opens the registry by the addresses of all members. */
  open(): Promise<Registry>;
  /** Puts records there by a member that is well, once there is a leader. */
  plant(instances: readonly ServiceInstance[]): Promise<void>;
}

/** One server of several. `network` lies between it and what the space opens. */
export interface ClusterMember {
  readonly network: FaultProxy;
  kill(): Promise<void>;
  /** Resolves when it answers, which takes a majority of members. */
  restart(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

/** One registry, in one version. */
export interface Harness {
  /** The head of its column, like `etcd 3.5.35`. */
  readonly title: string;
  /** Why a need cannot be met; a need that is not listed can. */
  readonly cannot: Readonly<Partial<Record<Need, string>>>;
  /** Starts what all spaces share, where that takes longer than a case may; `space` does it as well. */
  start?(): Promise<void>;
  space(options?: { readonly needs: readonly Need[] }): Promise<Space>;
  /** Ends what all spaces shared. */
  close?(): Promise<void>;
}

/** How long and how large the cases are: the short form is for every test run, the full one for the published table. */
export interface Scale {
  readonly isFull: boolean;
  /** Times the bound that a case names, the wait for it: the short form runs beside whatever else a machine is busy with. */
  readonly patience: number;
  readonly flapMs: number;
  readonly instances: number;
  readonly services: number;
  readonly soakMs: number;
  readonly sidecars: number;
}

export const SCALE: Scale =
  process.env['PILOTFISH_CONFORMANCE'] === 'full'
    ? { isFull: true, patience: 1, flapMs: 30_000, instances: 5_000, services: 200, soakMs: 60_000, sidecars: 200 }
    : { isFull: false, patience: 5, flapMs: 3_000, instances: 1_000, services: 50, soakMs: 5_000, sidecars: 50 };

/** Of what is registered: a third of it without a turn on the processor is no loss yet, a beat that comes to nothing. */
export const TTL_MS = 3_000;

/** One case of REGISTRIES §4. */
export interface Case {
  readonly id: string;
  readonly title: string;
  readonly needs: readonly Need[];
  run(space: Space, harness: Harness): Promise<void>;
}

/** Waits until `condition` holds, at most `withinMs` (longer in the short form). Every bound of the suite is such a wait. */
export async function until(
  what: string,
  withinMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > withinMs * SCALE.patience) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits for something to end, with such a bound. */
export async function within<T>(what: string, withinMs: number, task: Promise<T>): Promise<T> {
  let hasEnded = false;
  const end = (): void => void (hasEnded = true);
  task.then(end, end);
  await until(what, withinMs, () => hasEnded);
  return task;
}

/** Watches that `condition` holds all the time, for `forMs`. */
export async function throughout(what: string, forMs: number, condition: () => boolean): Promise<void> {
  const start = performance.now();
  while (performance.now() - start < forMs) {
    if (!condition()) throw new Error(`not so after ${Math.round(performance.now() - start)} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
