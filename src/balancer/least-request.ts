// HOT PATH. `least-request`, the default: the endpoint with the least in flight for its weight, of all or of two drawn at random.
import type { Clock } from '../util/clock.ts';
import { RepeatedDraw } from './draw.ts';
import type { Candidate, Slot, Slots } from './picker.ts';
import { WeightedIndex } from './weighted-random.ts';

/** Up to this many endpoints all are looked at, which balances better than two; beyond it a scan costs more than it gives. */
const SCAN_UP_TO = 8;

/**
 * "The power of two choices": M. Mitzenmacher (2001), as in Envoy and linkerd. One endpoint is drawn by weight, and gives way
 * only to one that would still have less in flight for its weight after taking the request. So shares follow the weights
 * without load, where all are idle, and with load, where the weights divide what is in flight; and an idle endpoint of a
 * small weight (one that is warming up) does not get what a busy one of a large weight could well take.
 */
export class LeastRequestDraw<E extends Candidate> extends RepeatedDraw<E> {
  private readonly index: WeightedIndex;

  constructor(slots: Slots<E>, clock: Clock) {
    super(slots);
    this.index = new WeightedIndex(
      clock,
      slots.map(({ weight }) => weight),
    );
  }

  draw(): Slot<E> {
    const { slots } = this;
    if (slots.length === 1) return slots[0];
    const first = this.index.next();
    const drawn = slots[first] ?? slots[0];
    const other = slots.length <= SCAN_UP_TO ? this.least() : (slots[this.index.nextOther(first)] ?? drawn);
    return drawn.endpoint.inFlight / drawn.weight < loadAfter(other) ? drawn : other;
  }

  private least(): Slot<E> {
    let [best] = this.slots;
    let bestLoad = Infinity;
    for (const slot of this.slots) {
      const load = loadAfter(slot);
      if (load >= bestLoad) continue;
      best = slot;
      bestLoad = load;
    }
    return best;
  }
}

/** With one request more. */
function loadAfter<E extends Candidate>({ endpoint, weight }: Slot<E>): number {
  return (endpoint.inFlight + 1) / weight;
}
