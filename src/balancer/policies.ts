// From the name of a policy to its draws: where a new policy is entered.
import type { Clock } from '../util/clock.ts';
import { LeastRequestDraw } from './least-request.ts';
import { TieredPicker, type Candidate, type Draw, type Slot } from './picker.ts';
import { RandomDraw } from './random.ts';
import { RoundRobinDraw } from './round-robin.ts';

/** As in `upstreams.<alias>.balancer`. */
export type PolicyName = 'least-request' | 'round-robin' | 'random';

/**
 * A picker over these tiers, the first preferred; empty ones are left out.
 * @param previous whose position goes on, where the policy has one.
 * @returns undefined where all tiers are empty.
 */
export function pickerOf<E extends Candidate>(
  policy: PolicyName,
  tiers: readonly (readonly Slot<E>[])[],
  clock: Clock,
  previous?: TieredPicker<E>,
): TieredPicker<E> | undefined {
  const draws: Draw<E>[] = [];
  for (const slots of tiers) {
    if (isFilled(slots)) draws.push(drawOf(policy, slots, clock, draws.length === 0 ? previous?.tiers[0] : undefined));
  }
  const [first, ...further] = draws;
  return first === undefined ? undefined : new TieredPicker(first, further);
}

function drawOf<E extends Candidate>(
  policy: PolicyName,
  slots: readonly [Slot<E>, ...Slot<E>[]],
  clock: Clock,
  previous: Draw<E> | undefined,
): Draw<E> {
  switch (policy) {
    case 'least-request':
      return new LeastRequestDraw(slots, clock);
    case 'round-robin':
      return new RoundRobinDraw(slots, clock, previous);
    case 'random':
      return new RandomDraw(slots, clock);
  }
}

function isFilled<E extends Candidate>(slots: readonly Slot<E>[]): slots is readonly [Slot<E>, ...Slot<E>[]] {
  return slots.length > 0;
}
