// `ring-hash`: each endpoint owns points on a ring by its weight, and a key belongs to the next point. Few keys move on a change.
import { finalise, hash32 } from './hash32.ts';
import type { HashTable } from './hash-draw.ts';
import type { Candidate, Slot, Slots } from './picker.ts';

/** Points in all, about: beyond it more of them cost more in memory and rebuilding than they even out. */
const MAX_POINTS = 131_072;
/** Where more than this part of the points is new, all are sorted anew. */
const MERGE_UP_TO = 0.25;
/** Owners fit into the lower bits of a number whose upper bits are the point: 32 + 20 bits are exact. */
const OWNER_RANGE = 2 ** 20;

/**
 * D. Karger et al., "Consistent Hashing and Random Trees" (1997), with points by weight as in ketama and Envoy. Point n of an
 * endpoint depends on its id and n alone, and how many a unit of weight has changes only where the mean weight doubles or
 * halves, or the number of endpoints comes to `MAX_POINTS`: so a change moves the points of those that changed, and nobody
 * else's. Takes over the points of the ring before it.
 */
export class HashRing<E extends Candidate> implements HashTable {
  readonly owners: Uint32Array;
  private readonly points: Uint32Array;
  private readonly slots: Slots<E>;
  private readonly pointsPerWeight: number;

  /** @param each points of an endpoint of mean weight, at least; a power of two below it where there are many. */
  constructor(slots: Slots<E>, each: number, previous?: HashRing<E>) {
    this.slots = slots;
    this.pointsPerWeight = pointsPerWeight(slots, each);
    const kept = previous?.pointsPerWeight === this.pointsPerWeight ? previous : undefined;
    const indexes = new Map<string, number>();
    slots.forEach(({ endpoint }, index) => indexes.set(endpoint.id, index));
    /** For each slot of the ring before: its index now, where its points stay. */
    const moved = new Int32Array(kept?.slots.length ?? 0).fill(-1);
    const isKept = new Uint8Array(slots.length);
    kept?.slots.forEach((before, index) => {
      const now = indexes.get(before.endpoint.id) ?? -1;
      const slot = slots[now];
      if (slot === undefined || this.count(slot) !== this.count(before)) return;
      moved[index] = now;
      isKept[now] = 1;
    });
    let fresh = 0;
    let total = 0;
    slots.forEach((slot, index) => {
      total += this.count(slot);
      if (isKept[index] === 0) fresh += this.count(slot);
    });
    const isMerged = kept !== undefined && fresh <= total * MERGE_UP_TO;
    const added = this.sorted(isMerged ? fresh : total, isMerged ? isKept : undefined);
    this.points = new Uint32Array(total);
    this.owners = new Uint32Array(total);
    this.merge(added, isMerged ? kept : undefined, moved);
    this.orderEqualPoints();
  }

  placeOf(hash: number): number {
    const { points } = this;
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low === points.length ? 0 : low;
  }

  private count({ weight }: Slot<E>): number {
    return Math.max(1, Math.round(weight * this.pointsPerWeight));
  }

  /** Points and owners in one number each, in order, of those that are not kept. */
  private sorted(size: number, isKept: Uint8Array | undefined): Float64Array {
    const added = new Float64Array(size);
    let at = 0;
    this.slots.forEach((slot, index) => {
      if (isKept?.[index] === 1) return;
      const base = hash32(slot.endpoint.id);
      const count = this.count(slot);
      for (let n = 0; n < count; n++) added[at++] = finalise(base + Math.imul(n, 0x9e3779b1)) * OWNER_RANGE + index;
    });
    return added.sort();
  }

  private merge(added: Float64Array, before: HashRing<E> | undefined, moved: Int32Array): void {
    let at = 0;
    let next = 0;
    const takeBelow = (point: number): void => {
      for (; next < added.length; next++) {
        const both = added[next] ?? 0;
        const own = Math.floor(both / OWNER_RANGE);
        if (own >= point) return;
        this.points[at] = own;
        this.owners[at++] = both - own * OWNER_RANGE;
      }
    };
    if (before !== undefined) {
      for (let old = 0; old < before.points.length; old++) {
        const owner = moved[before.owners[old] ?? 0] ?? -1;
        if (owner < 0) continue;
        const point = before.points[old] ?? 0;
        takeBelow(point);
        this.points[at] = point;
        this.owners[at++] = owner;
      }
    }
    takeBelow(Infinity);
  }

  /** Two endpoints at one point: the order of their ids, whatever the ring before was. */
  private orderEqualPoints(): void {
    const { points, owners, slots } = this;
    const id = (at: number): string => slots[owners[at] ?? 0]?.endpoint.id ?? '';
    for (let end = 1; end < points.length; end++) {
      for (let at = end; at > 0 && points[at] === points[at - 1] && id(at) < id(at - 1); at--) {
        const owner = owners[at] ?? 0;
        owners[at] = owners[at - 1] ?? 0;
        owners[at - 1] = owner;
      }
    }
  }
}

/** A power of two, so that it stays the same while weights and numbers change a little. */
function pointsPerWeight<E extends Candidate>(slots: Slots<E>, each: number): number {
  const total = slots.reduce((sum, { weight }) => sum + weight, 0);
  const wanted = 2 ** Math.ceil(Math.log2((each * slots.length) / total));
  return Math.min(wanted, 2 ** Math.floor(Math.log2(MAX_POINTS / total)));
}
