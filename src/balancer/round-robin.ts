// HOT PATH. `round-robin`: endpoints in turn, the heavier ones more often and evenly spread.
import type { Clock } from '../util/clock.ts';
import { RepeatedDraw, type Draw } from './draw.ts';
import type { Candidate, Slot, Slots } from './picker.ts';

/**
 * Earliest deadline first, as Envoy's scheduler: each endpoint is due every 1/weight of a round, a heap gives the next one
 * in O(log n). Between any two draws of one endpoint no other is passed over by more than one turn. Of equal weights it is
 * a plain rotation. A new draw takes over when each endpoint is due, so that an update neither repeats nor skips anyone.
 */
export class RoundRobinDraw<E extends Candidate> extends RepeatedDraw<E> {
  /** Heap of slot indexes, by `dueAt`, then by position in the rotation. */
  private readonly heap: Uint32Array;
  private readonly dueAt: Float64Array;
  private readonly start: number;
  private now = 0;

  /** @param previous of the same group. */
  constructor(slots: Slots<E>, clock: Clock, previous?: Draw<E>) {
    super(slots);
    const before = previous instanceof RoundRobinDraw ? previous.remaining() : undefined;
    // Sidecars that start together must not all begin with the same endpoint.
    this.start = Math.floor(clock.random() * slots.length);
    this.dueAt = Float64Array.from(slots, ({ endpoint, weight }) =>
      Math.min(before?.get(endpoint.id) ?? 0.5 / weight, 1 / weight),
    );
    this.heap = Uint32Array.from(slots, (_, index) => index);
    for (let at = (this.heap.length >> 1) - 1; at >= 0; at--) this.sink(at);
  }

  draw(): Slot<E> {
    const index = this.heap[0] ?? 0;
    const slot = this.slots[index] ?? this.slots[0];
    this.now = this.dueAt[index] ?? 0;
    this.dueAt[index] = this.now + 1 / slot.weight;
    this.sink(0);
    return slot;
  }

  /** How much of a round is left, by id, until each endpoint is due. */
  private remaining(): Map<string, number> {
    const left = new Map<string, number>();
    this.slots.forEach((slot, index) => left.set(slot.endpoint.id, Math.max(0, (this.dueAt[index] ?? 0) - this.now)));
    return left;
  }

  private sink(from: number): void {
    const { heap } = this;
    let at = from;
    for (;;) {
      let least = at;
      const left = 2 * at + 1;
      if (left < heap.length && this.isBefore(left, least)) least = left;
      if (left + 1 < heap.length && this.isBefore(left + 1, least)) least = left + 1;
      if (least === at) return;
      const moved = heap[at] ?? 0;
      heap[at] = heap[least] ?? 0;
      heap[least] = moved;
      at = least;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const x = this.heap[a] ?? 0;
    const y = this.heap[b] ?? 0;
    const difference = (this.dueAt[x] ?? 0) - (this.dueAt[y] ?? 0);
    return difference < 0 || (difference === 0 && this.turn(x) < this.turn(y));
  }

  private turn(index: number): number {
    return index >= this.start ? index - this.start : index - this.start + this.slots.length;
  }
}
