// HOT PATH. One policy over one group of endpoints, and how it finds one that a request has not tried.
import { isTried, type Candidate, type PickContext, type Slot, type Slots } from './picker.ts';

/** Never empty, never throws. What it remembers between draws is its own. */
export interface Draw<E extends Candidate> {
  draw(context: PickContext): Slot<E>;
  /** One that the request has not tried; undefined where it has tried all. Bounded by the numbers of tries and of slots. */
  drawUntried(context: PickContext): Slot<E> | undefined;
}

/** Draws that are repeated, before a search. */
const REDRAWS = 2;

/** For policies whose draws differ from one to the next: draws again, then searches. */
export abstract class RepeatedDraw<E extends Candidate> implements Draw<E> {
  readonly slots: Slots<E>;
  private readonly search: UntriedSearch<E>;

  constructor(slots: Slots<E>) {
    this.slots = slots;
    this.search = new UntriedSearch(slots);
  }

  abstract draw(context: PickContext): Slot<E>;

  drawUntried(context: PickContext): Slot<E> | undefined {
    for (let redraw = 0; redraw < REDRAWS; redraw++) {
      const slot = this.draw(context);
      if (!isTried(slot, context)) return slot;
    }
    return this.search.next(context);
  }
}

/** Begins where the last search ended, so that retries do not all go to the same neighbour. */
export class UntriedSearch<E extends Candidate> {
  private readonly slots: Slots<E>;
  private cursor = 0;

  constructor(slots: Slots<E>) {
    this.slots = slots;
  }

  next(context: PickContext): Slot<E> | undefined {
    const { slots } = this;
    for (let step = 0; step < slots.length; step++) {
      this.cursor = (this.cursor + 1) % slots.length;
      const slot = slots[this.cursor];
      if (slot !== undefined && !isTried(slot, context)) return slot;
    }
    return undefined;
  }
}
