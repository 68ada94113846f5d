// From the name of a policy to its draws: where a new policy is entered.
import type { Clock } from '../util/clock.ts';
import { LoadBound } from './bounded-load.ts';
import type { Draw } from './draw.ts';
import { HashDraw, type HashTable } from './hash-draw.ts';
import { LeastRequestDraw } from './least-request.ts';
import { MaglevTable } from './maglev.ts';
import type { PolicyOptions } from './options.ts';
import { PeakEwmaDraw } from './peak-ewma.ts';
import type { Candidate, Slots } from './picker.ts';
import type { Plan } from './plan.ts';
import { PlannedPicker, type DrawsOfBefore, type MakeDraw } from './planned-picker.ts';
import { RandomDraw } from './random.ts';
import { RequestHash } from './request-hash.ts';
import { HashRing } from './ring-hash.ts';
import { RoundRobinDraw } from './round-robin.ts';
import type { Choose } from './spread.ts';

/** Makes the pickers of one upstream, one after the other. */
export class Policy<E extends Candidate> {
  readonly options: PolicyOptions;
  private readonly make: MakeDraw<E>;
  private readonly choose: Choose;

  constructor(options: PolicyOptions, clock: Clock) {
    this.options = options;
    if (options.policy === 'ring-hash' || options.policy === 'maglev') {
      const key = new RequestHash(options.hash);
      this.make = ({ slots }, previous) => {
        const table = tableOf(options, slots, previous);
        const { boundedLoad } = options;
        const bound = boundedLoad === undefined ? undefined : new LoadBound(slots, boundedLoad);
        return new HashDraw(slots, table, key, clock, bound);
      };
      this.choose = (context) => key.fractionOf(context) ?? clock.random();
    } else {
      const { policy } = options;
      this.make = ({ slots }, previous) => chanceDrawOf(policy, slots, clock, previous);
      this.choose = () => clock.random();
    }
  }

  /**
   * A picker over this plan.
   * @param previous whose positions go on, where the policy has any.
   * @param draws what becomes of its draws over slots that are the same.
   * @returns undefined where the plan is empty.
   */
  pickerOf(plan: Plan<E>, previous?: PlannedPicker<E>, draws: DrawsOfBefore = 'shared'): PlannedPicker<E> | undefined {
    const [main, ...others] = plan.active;
    if (main === undefined) return undefined;
    return new PlannedPicker(plan, [main, ...others], this.make, this.choose, { picker: previous, draws });
  }
}

function chanceDrawOf<E extends Candidate>(
  policy: Exclude<PolicyOptions['policy'], 'ring-hash' | 'maglev'>,
  slots: Slots<E>,
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
    case 'peak-ewma':
      return new PeakEwmaDraw(slots, clock);
  }
}

function tableOf<E extends Candidate>(
  options: Extract<PolicyOptions, { readonly policy: 'ring-hash' | 'maglev' }>,
  slots: Slots<E>,
  previous: Draw<E> | undefined,
): HashTable {
  if (options.policy === 'maglev') return new MaglevTable(slots, options.tableSize);
  const before = previous instanceof HashDraw && previous.table instanceof HashRing ? previous.table : undefined;
  return new HashRing(slots, options.points, before as HashRing<E> | undefined);
}
