// HOT PATH, where `boundedLoad` is set. How much of the load an endpoint may carry before hashing passes it over.
import type { Candidate, Slot, Slots } from './picker.ts';

/** Endpoints whose requests in flight are counted anew with each pick: the sum costs O(1), and is exact for this many. */
const COUNTED_PER_PICK = 16;

/**
 * V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016): of m requests in flight, the
 * next one included, an endpoint takes at most ⌈factor × m × its share of the weight⌉. As long as the sum is exact somebody
 * is always below the bound.
 */
export class LoadBound<E extends Candidate> {
  private readonly slots: Slots<E>;
  /** Bound of an endpoint, per request in flight and unit of weight. */
  private readonly perRequest: number;
  /** As counted last, by slot. */
  private readonly counted: Uint32Array;
  private sum = 0;
  private cursor = 0;

  /** @param factor > 1 */
  constructor(slots: Slots<E>, factor: number) {
    this.slots = slots;
    this.perRequest = factor / slots.reduce((sum, { weight }) => sum + weight, 0);
    this.counted = Uint32Array.from(slots, ({ endpoint }) => endpoint.inFlight);
    for (const count of this.counted) this.sum += count;
  }

  /** Before a pick. */
  refresh(): void {
    const { slots, counted } = this;
    const steps = Math.min(COUNTED_PER_PICK, slots.length);
    for (let step = 0; step < steps; step++) {
      const index = this.cursor;
      this.cursor = index + 1 === slots.length ? 0 : index + 1;
      const now = slots[index]?.endpoint.inFlight ?? 0;
      this.sum += now - (counted[index] ?? 0);
      counted[index] = now;
    }
  }

  /** Would one request more be too many? */
  isFull({ endpoint, weight }: Slot<E>): boolean {
    return endpoint.inFlight >= Math.ceil(this.perRequest * (this.sum + 1) * weight - ROUNDING);
  }
}

/** What binary fractions may add to a whole number. */
const ROUNDING = 1e-9;
