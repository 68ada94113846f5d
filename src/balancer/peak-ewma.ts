// HOT PATH. `peak-ewma`: of two endpoints drawn at random the one that is expected to answer sooner.
import type { Clock } from '../util/clock.ts';
import { RepeatedDraw } from './draw.ts';
import type { Candidate, Slot, Slots } from './picker.ts';
import { WeightedIndex } from './weighted-random.ts';

/**
 * Cost = response time × (1 + in flight ÷ weight), the weight relative to the mean one: of equal weights this is Finagle's
 * and linkerd's `ewma × (pending + 1)`. The two are drawn by weight, so that shares follow the weights without load, too.
 */
export class PeakEwmaDraw<E extends Candidate> extends RepeatedDraw<E> {
  private readonly clock: Clock;
  private readonly index: WeightedIndex;
  private readonly meanWeight: number;

  constructor(slots: Slots<E>, clock: Clock) {
    super(slots);
    this.clock = clock;
    this.index = new WeightedIndex(
      clock,
      slots.map(({ weight }) => weight),
    );
    this.meanWeight = slots.reduce((sum, { weight }) => sum + weight, 0) / slots.length;
  }

  draw(): Slot<E> {
    const { slots } = this;
    if (slots.length === 1) return slots[0];
    const first = this.index.next();
    const second = this.index.nextOther(first);
    const a = slots[first] ?? slots[0];
    const b = slots[second] ?? slots[0];
    const nowMs = this.clock.now();
    return this.cost(b, nowMs) < this.cost(a, nowMs) ? b : a;
  }

  /** Of an endpoint without measurements: in flight alone. */
  private cost({ endpoint, weight }: Slot<E>, nowMs: number): number {
    const load = 1 + (endpoint.inFlight * this.meanWeight) / weight;
    return endpoint.responseTime === undefined ? load : endpoint.responseTime.at(nowMs) * load;
  }
}
