// HOT PATH. `random`: each endpoint with a probability in proportion to its weight.
import type { Clock } from '../util/clock.ts';
import type { Candidate, Draw, Slot } from './picker.ts';
import { WeightedIndex } from './weighted-random.ts';

/** Remembers nothing; O(1). */
export class RandomDraw<E extends Candidate> implements Draw<E> {
  readonly slots: readonly Slot<E>[];
  private readonly only: Slot<E>;
  private readonly index: WeightedIndex;

  /** @param slots at least one. */
  constructor(slots: readonly [Slot<E>, ...Slot<E>[]], clock: Clock) {
    this.slots = slots;
    this.only = slots[0];
    this.index = new WeightedIndex(
      clock,
      slots.map((slot) => slot.weight),
    );
  }

  draw(): Slot<E> {
    return this.slots[this.index.next()] ?? this.only;
  }
}
