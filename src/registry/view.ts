// Turns what is believed of a service into the immutable view that consumers get, keeping the objects that did not change.
import { hostClass, reachesOwn, type HostPort } from './address.ts';
import { sameInstance } from './record.ts';
import type { Reading } from './driver.ts';
import type { ServiceInstance, ServiceView, Snapshot } from './types.ts';

/** Where our own host ends: what records of others may not point to. */
export interface AddressPolicy {
  readonly allowsLoopback: boolean;
  /** Our own admin and outbound listeners, as they are bound now. */
  ownAddresses(): readonly HostPort[];
}

type Rejection = Snapshot['rejected'][number];

/** Instances of one service that are taken at most; the rest is rejected. */
const MAX_INSTANCES = 20_000;
/** Rejections told at most; one more says how many there are. */
const MAX_REJECTIONS = 100;

/** A reading without what may not be used: sorted by id, ids unique, bounded. */
export function admit(
  reading: Reading,
  policy: AddressPolicy,
): { readonly instances: ServiceInstance[]; readonly rejected: Rejection[] } {
  const own = policy.ownAddresses();
  const rejected = [...reading.rejected];
  const byId = new Map<string, ServiceInstance>();
  for (const instance of reading.instances) {
    const reason =
      byId.size >= MAX_INSTANCES
        ? `more than ${MAX_INSTANCES} instances`
        : byId.has(instance.id)
          ? 'its id is there twice'
          : addressProblem(instance, policy, own);
    if (reason === undefined) byId.set(instance.id, instance);
    else rejected.push({ ref: instance.id, reason });
  }
  const instances = [...byId.values()].sort(byIdOrder);
  return { instances, rejected: boundRejections(rejected) };
}

/** The next view; the previous one itself where nothing changed that anybody could act on. */
export function nextView(
  previous: ServiceView | undefined,
  snapshot: Snapshot,
  suspects: ReadonlySet<string>,
  flapping: ReadonlySet<string>,
): ServiceView {
  if (previous === undefined) return { snapshot, suspects, flapping };
  const old = previous.snapshot.instances;
  let isSame = old.length === snapshot.instances.length;
  const oldById = isSame ? undefined : new Map(old.map((instance) => [instance.id, instance]));
  const instances = snapshot.instances.map((instance, index) => {
    const before = oldById === undefined ? old[index] : oldById.get(instance.id);
    if (before !== undefined && sameInstance(before, instance)) return before;
    isSame = false;
    return instance;
  });
  if (
    isSame &&
    previous.snapshot.origin === snapshot.origin &&
    previous.snapshot.epoch === snapshot.epoch &&
    sameSet(previous.suspects, suspects) &&
    sameSet(previous.flapping, flapping) &&
    sameRejections(previous.snapshot.rejected, snapshot.rejected)
  ) {
    return previous;
  }
  return { snapshot: { ...snapshot, instances }, suspects, flapping };
}

/** Code unit order: the same everywhere, unlike a locale's. */
export function byIdOrder(a: ServiceInstance, b: ServiceInstance): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function addressProblem(
  instance: ServiceInstance,
  policy: AddressPolicy,
  own: readonly HostPort[],
): string | undefined {
  if (!policy.allowsLoopback && hostClass(instance.host) === 'loopback') return 'loopback address';
  return reachesOwn(instance.host, instance.port, own) ? 'address of our own admin or outbound listener' : undefined;
}

function boundRejections(rejected: Rejection[]): Rejection[] {
  rejected.sort((a, b) => (a.ref < b.ref ? -1 : a.ref > b.ref ? 1 : 0));
  if (rejected.length <= MAX_REJECTIONS) return rejected;
  const more = rejected.length - MAX_REJECTIONS;
  return [...rejected.slice(0, MAX_REJECTIONS), { ref: '…', reason: `${more} more were rejected` }];
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const value of a) if (!b.has(value)) return false;
  return true;
}

function sameRejections(a: readonly Rejection[], b: readonly Rejection[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry.ref === b[i]?.ref && entry.reason === b[i].reason);
}
