// HOT PATH. `random`: each endpoint with a probability in proportion to its weight.
import type { Clock } from '../util/clock.ts';
import { RepeatedDraw } from './draw.ts';
import type { Candidate, Slot, Slots } from './picker.ts';
import { WeightedIndex } from './weighted-random.ts';

/** Remembers nothing; O(1). */
export class RandomDraw<E extends Candidate> extends RepeatedDraw<E> {
  private readonly index: WeightedIndex;

  constructor(slots: Slots<E>, clock: Clock) {
    super(slots);
    this.index = new WeightedIndex(
      clock,
      slots.map(({ weight }) => weight),
    );
  }

  draw(): Slot<E> {
    return this.slots[this.index.next()] ?? this.slots[0];
  }
}
