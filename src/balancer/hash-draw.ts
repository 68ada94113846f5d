// HOT PATH. `ring-hash` and `maglev`: requests with the same key go to the same endpoint, as long as it is there and not overloaded.
import type { Clock } from '../util/clock.ts';
import type { LoadBound } from './bounded-load.ts';
import { UntriedSearch, type Draw } from './draw.ts';
import { isTried, type Candidate, type PickContext, type Slot, type Slots } from './picker.ts';
import { NO_KEY, type RequestHash } from './request-hash.ts';

/** Places in a fixed order, each of which belongs to an endpoint. */
export interface HashTable {
  /** Index of a slot, for each place; at least one. */
  readonly owners: Uint32Array;
  /** The place where a hash falls. */
  placeOf(hash: number): number;
}

/** Places looked at, at most, for an endpoint that is not overloaded or not tried. */
const MAX_STEPS = 256;

/**
 * Who may not be used (tried, or at its bound) is passed over for the owner of the next place, which is the same for every
 * request with that key. A request without a key goes to a place by chance: by weight, that is.
 */
export class HashDraw<E extends Candidate> implements Draw<E> {
  readonly table: HashTable;
  private readonly slots: Slots<E>;
  private readonly key: RequestHash;
  private readonly clock: Clock;
  private readonly bound: LoadBound<E> | undefined;
  private readonly search: UntriedSearch<E>;

  constructor(slots: Slots<E>, table: HashTable, key: RequestHash, clock: Clock, bound?: LoadBound<E>) {
    this.slots = slots;
    this.table = table;
    this.key = key;
    this.clock = clock;
    this.bound = bound;
    this.search = new UntriedSearch(slots);
  }

  draw(context: PickContext): Slot<E> {
    const place = this.placeOf(context);
    const slot = this.ownerOf(place);
    if (this.bound === undefined) return slot;
    this.bound.refresh();
    return this.bound.isFull(slot) ? (this.walk(place, undefined) ?? slot) : slot;
  }

  drawUntried(context: PickContext): Slot<E> | undefined {
    this.bound?.refresh();
    return this.walk(this.placeOf(context), context) ?? this.search.next(context);
  }

  /** From a place on: the first that may be used; where all are at their bounds, the one that is least over it. */
  private walk(from: number, tried: PickContext | undefined): Slot<E> | undefined {
    const { bound, table } = this;
    const { length } = table.owners;
    let least: Slot<E> | undefined;
    for (let step = 0; step < MAX_STEPS && step < length; step++) {
      const slot = this.ownerOf((from + step) % length);
      if (tried !== undefined && isTried(slot, tried)) continue;
      if (bound?.isFull(slot) !== true) return slot;
      if (least === undefined || loadOf(slot) < loadOf(least)) least = slot;
    }
    return least;
  }

  private placeOf(context: PickContext): number {
    const hash = this.key.of(context);
    return hash === NO_KEY ? Math.floor(this.clock.random() * this.table.owners.length) : this.table.placeOf(hash);
  }

  private ownerOf(place: number): Slot<E> {
    return this.slots[this.table.owners[place] ?? 0] ?? this.slots[0];
  }
}

function loadOf<E extends Candidate>({ endpoint, weight }: Slot<E>): number {
  return endpoint.inFlight / weight;
}
