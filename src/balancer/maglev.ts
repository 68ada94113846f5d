// `maglev`: a table in which each endpoint has entries by its weight. Faster and more even than a ring; a change moves a few keys more.
import { finalise, hash32 } from './hash32.ts';
import type { HashTable } from './hash-draw.ts';
import type { Candidate, Slots } from './picker.ts';

/** A prime that is larger than any list: for a table that would be too small for its endpoints. */
const LARGE_ENOUGH = 65_537;
const OFFSET_SEED = 0x2f0b4c47;
const SKIP_SEED = 0x5b8d9e31;

/**
 * D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), §3.4; weights as in Envoy: in
 * each round an endpoint takes an entry when its turns so far fall behind its weight. The table depends on ids and weights
 * alone, not on the order in which the endpoints came.
 */
export class MaglevTable<E extends Candidate> implements HashTable {
  readonly owners: Uint32Array;

  /** @param size a prime. */
  constructor(slots: Slots<E>, size: number) {
    const entries = slots.length < size ? size : LARGE_ENOUGH;
    this.owners = new Uint32Array(entries);
    const order = byHash(slots);
    const maxWeight = slots.reduce((max, { weight }) => Math.max(max, weight), 0);
    const skips = new Uint32Array(order.length);
    /** Where each endpoint looks next. */
    const nextPlaces = new Uint32Array(order.length);
    const relative = new Float64Array(order.length);
    const turnDueAt = new Float64Array(order.length);
    order.forEach((index, n) => {
      const id = slots[index]?.endpoint.id ?? '';
      nextPlaces[n] = hash32(id, OFFSET_SEED) % entries;
      skips[n] = (hash32(id, SKIP_SEED) % (entries - 1)) + 1;
      relative[n] = (slots[index]?.weight ?? 0) / maxWeight;
    });
    const isTaken = new Uint8Array(entries);
    let taken = 0;
    for (let round = 1; taken < entries; round++) {
      for (let n = 0; n < order.length && taken < entries; n++) {
        if (round * (relative[n] ?? 0) < (turnDueAt[n] ?? 0)) continue;
        turnDueAt[n] = (turnDueAt[n] ?? 0) + 1;
        let place = nextPlaces[n] ?? 0;
        const skip = skips[n] ?? 1;
        while (isTaken[place] === 1) place = (place + skip) % entries;
        isTaken[place] = 1;
        this.owners[place] = order[n] ?? 0;
        nextPlaces[n] = (place + skip) % entries;
        taken++;
      }
    }
  }

  placeOf(hash: number): number {
    // Mixed once more: what is chosen by the hash's own bits elsewhere must not choose here, too.
    return finalise(hash) % this.owners.length;
  }
}

/** Indexes of slots in the order of their ids' hashes. */
function byHash<E extends Candidate>(slots: Slots<E>): number[] {
  const hashes = Uint32Array.from(slots, ({ endpoint }) => hash32(endpoint.id));
  const id = (index: number): string => slots[index]?.endpoint.id ?? '';
  return slots.map((_, index) => index).sort((a, b) => (hashes[a] ?? 0) - (hashes[b] ?? 0) || (id(a) < id(b) ? -1 : 1));
}
