// The first look at what a driver read: in order, ids unique, bounded, no address that may not be used; done for what changed alone.
import { hostClass } from '../util/host-class.ts';
import { reachesOwn, type HostPort } from './address.ts';
import { byIdOrder, differences, isInOrder, type ById, type Difference } from './by-id.ts';
import type { Reading } from './driver.ts';
import { sameInstance } from './record.ts';
import type { ServiceInstance, Snapshot } from './types.ts';

/** Where our own host ends: what records of others may not point to. */
export interface AddressPolicy {
  readonly allowsLoopback: boolean;
  /** Our own admin and outbound listeners, as they are bound now. */
  ownAddresses(): readonly HostPort[];
}

type Rejection = Snapshot['rejected'][number];

/** What of a reading may be used, and why the rest may not. */
export interface Admitted {
  /** The same list as the last time where nothing changed; the same objects where they say the same. */
  readonly instances: ById;
  readonly rejected: readonly Rejection[];
}

/** Instances of one service that are taken at most; the rest is rejected. */
const MAX_INSTANCES = 20_000;
/** Rejections told at most; one more says how many there are. */
const MAX_REJECTIONS = 100;

/** Of one service, reading by reading. One writer: who reads it. */
export class Admission {
  private readonly policy: AddressPolicy;
  /** Where our own listeners were at the last reading; undefined before the first, at which all are judged. */
  private own: readonly HostPort[] | undefined = undefined;
  /** The last reading's, as the driver gave them. */
  private given: ById = [];
  /** The same, by the first objects that said so. */
  private known: ById = [];
  /** Those of `known` that may not be used, and why. */
  private readonly refused = new Map<ServiceInstance, string>();
  private admitted: ById = [];

  constructor(policy: AddressPolicy) {
    this.policy = policy;
  }

  /** What was known before the first reading. */
  seed(instances: ById): void {
    this.given = this.known = this.admitted = instances;
  }

  take(reading: Reading): Admitted {
    const rejected = [...reading.rejected];
    let given = reading.instances;
    let changed = differences(this.given, given);
    if (given.length > MAX_INSTANCES || !isInOrder(given, changed)) {
      given = inOrder(given, rejected);
      changed = differences(this.given, given);
    }
    const isJudgedAnew = this.hasMoved();
    if (changed.length > 0 || isJudgedAnew) {
      this.keepUp(given, changed);
      if (isJudgedAnew) for (const instance of this.known) this.judge(instance);
      this.admitted =
        this.refused.size === 0 ? this.known : this.known.filter((instance) => !this.refused.has(instance));
    }
    for (const [{ id }, reason] of this.refused) rejected.push({ ref: id, reason });
    return { instances: this.admitted, rejected: bounded(rejected) };
  }

  /** Our own listeners are bound elsewhere than they were. */
  private hasMoved(): boolean {
    const own = this.policy.ownAddresses();
    const { own: before } = this;
    if (
      own.length === before?.length &&
      own.every(({ host, port }, n) => host === before[n]?.host && port === before[n].port)
    )
      return false;
    this.own = own;
    return true;
  }

  private keepUp(given: ById, changed: readonly Difference[]): void {
    const known: ServiceInstance[] = [];
    let from = 0;
    const keepUntil = (at: number): void => {
      known.push(...this.known.slice(from, at));
      from = at;
    };
    for (const { before, now, beforeAt } of changed) {
      keepUntil(beforeAt);
      const old = before === undefined ? undefined : this.known[from++];
      if (old !== undefined && now !== undefined && sameInstance(old, now)) {
        known.push(old);
        continue;
      }
      if (old !== undefined) this.refused.delete(old);
      if (now === undefined) continue;
      known.push(now);
      this.judge(now);
    }
    keepUntil(this.known.length);
    this.given = given;
    this.known = known;
  }

  private judge(instance: ServiceInstance): void {
    const reason = this.problemOf(instance);
    if (reason === undefined) this.refused.delete(instance);
    else this.refused.set(instance, reason);
  }

  private problemOf({ host, port }: ServiceInstance): string | undefined {
    if (!this.policy.allowsLoopback && hostClass(host) === 'loopback') return 'loopback address';
    return reachesOwn(host, port, this.own ?? []) ? 'address of our own admin or outbound listener' : undefined;
  }
}

/** Sorted; of two with the same id the first is taken. Tells `rejected` of the others. */
function inOrder(instances: readonly ServiceInstance[], rejected: Rejection[]): ById {
  const sorted: ServiceInstance[] = [];
  for (const instance of [...instances].sort(byIdOrder)) {
    const reason =
      sorted.at(-1)?.id === instance.id
        ? 'its id is there twice'
        : sorted.length >= MAX_INSTANCES
          ? `more than ${MAX_INSTANCES} instances`
          : undefined;
    if (reason === undefined) sorted.push(instance);
    else rejected.push({ ref: instance.id, reason });
  }
  return sorted;
}

function bounded(rejected: Rejection[]): Rejection[] {
  rejected.sort((a, b) => (a.ref < b.ref ? -1 : a.ref > b.ref ? 1 : 0));
  if (rejected.length <= MAX_REJECTIONS) return rejected;
  const more = rejected.length - MAX_REJECTIONS;
  return [...rejected.slice(0, MAX_REJECTIONS), { ref: '…', reason: `${more} more were rejected` }];
}
