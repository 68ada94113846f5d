// HOT PATH. `least-request`, the default: the endpoint with the least in flight for its weight, of all or of two drawn at random.
import type { Clock } from '../util/clock.ts';
import type { Candidate, Draw, Slot } from './picker.ts';
import { WeightedIndex } from './weighted-random.ts';

/** Up to this many endpoints all are looked at, which balances better than two; beyond it a scan costs more than it gives. */
const SCAN_UP_TO = 8;

/**
 * "The power of two choices": M. Mitzenmacher (2001), as in Envoy and linkerd. Load is in flight ÷ weight, so that under
 * load shares follow the weights; the two are drawn by weight, and ties broken by weight, so that they do without load too.
 */
export class LeastRequestDraw<E extends Candidate> implements Draw<E> {
  readonly slots: readonly Slot<E>[];
  private readonly clock: Clock;
  private readonly only: Slot<E>;
  private readonly index: WeightedIndex;

  /** @param slots at least one. */
  constructor(slots: readonly [Slot<E>, ...Slot<E>[]], clock: Clock) {
    this.slots = slots;
    this.clock = clock;
    this.only = slots[0];
    this.index = new WeightedIndex(
      clock,
      slots.map((slot) => slot.weight),
    );
  }

  draw(): Slot<E> {
    const { length } = this.slots;
    if (length === 1) return this.only;
    return length <= SCAN_UP_TO ? this.leastOfAll() : this.lesserOfTwo();
  }

  private leastOfAll(): Slot<E> {
    let best = this.only;
    let bestLoad = Infinity;
    let tiedWeight = 0;
    let isTied = false;
    for (const slot of this.slots) {
      const load = slot.endpoint.inFlight / slot.weight;
      if (load < bestLoad) {
        best = slot;
        bestLoad = load;
        tiedWeight = slot.weight;
        isTied = false;
      } else if (load === bestLoad) {
        tiedWeight += slot.weight;
        isTied = true;
      }
    }
    if (!isTied) return best;
    let point = this.clock.random() * tiedWeight;
    for (const slot of this.slots) {
      if (slot.endpoint.inFlight / slot.weight !== bestLoad) continue;
      point -= slot.weight;
      if (point < 0) return slot;
    }
    return best;
  }

  private lesserOfTwo(): Slot<E> {
    const first = this.index.next();
    let second = this.index.next();
    if (second === first) second = this.index.next();
    const a = this.slots[first] ?? this.only;
    const b = this.slots[second] ?? this.only;
    return b.endpoint.inFlight / b.weight < a.endpoint.inFlight / a.weight ? b : a;
  }
}
