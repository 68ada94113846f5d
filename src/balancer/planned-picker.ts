// HOT PATH. A plan at work: one policy over the active groups; the reserves for requests that have tried all of those.
import type { Draw } from './draw.ts';
import { isTried, type Candidate, type PickContext, type Picker, type PickResult } from './picker.ts';
import type { Slot, Slots } from './picker.ts';
import type { ActiveGroup, Group, Plan } from './plan.ts';
import { Spread, type Choose, type Portion } from './spread.ts';

/** Makes the draw of one group, carrying over what `previous` (of the same group, before an update) knows. */
export type MakeDraw<E extends Candidate> = (group: Group<E>, previous: Draw<E> | undefined) => Draw<E>;

/**
 * A draw whose slots are all the same as before goes on as it is (`shared`), without a table being built; or is made anew from
 * the one before (`copied`), so that what is drawn from it changes nothing there.
 */
export type DrawsOfBefore = 'shared' | 'copied';

/** A reserve costs nothing before it is needed: its draw is made then. */
interface Reserve<E extends Candidate> {
  readonly group: Group<E>;
  draw: Draw<E> | undefined;
}

/** Where everything was tried, the active groups again. */
export class PlannedPicker<E extends Candidate> implements Picker<E> {
  readonly plan: Plan<E>;
  private readonly first: Draw<E>;
  private readonly reserves: readonly Reserve<E>[];
  private readonly make: MakeDraw<E>;
  /** By the name of the group. */
  private readonly draws = new Map<string, { readonly slots: Slots<E>; readonly draw: Draw<E> }>();

  /** @param active the plan's active groups. */
  constructor(
    plan: Plan<E>,
    [main, ...others]: readonly [ActiveGroup<E>, ...ActiveGroup<E>[]],
    make: MakeDraw<E>,
    choose: Choose,
    previous: { readonly picker: PlannedPicker<E> | undefined; readonly draws: DrawsOfBefore },
  ) {
    this.plan = plan;
    this.make = make;
    const portion = (group: ActiveGroup<E>): Portion<E> => {
      const before = previous.picker?.draws.get(group.name);
      const isSame = previous.draws === 'shared' && before !== undefined && areSame(before.slots, group.slots);
      const draw = isSame ? before.draw : make(group, before?.draw);
      this.draws.set(group.name, { slots: group.slots, draw });
      return { share: group.share, draw };
    };
    const mainPortion = portion(main);
    this.first = others.length === 0 ? mainPortion.draw : new Spread(mainPortion, others.map(portion), choose);
    this.reserves = plan.reserves.map((group) => ({ group, draw: undefined }));
  }

  pick(context: PickContext): PickResult<E> {
    return context.attempts.length === 0 ? this.first.draw(context).picked : this.another(context).picked;
  }

  private another(context: PickContext): Slot<E> {
    const drawn = this.first.draw(context);
    if (!isTried(drawn, context)) return drawn;
    const found = this.first.drawUntried(context);
    if (found !== undefined) return found;
    for (const reserve of this.reserves) {
      reserve.draw ??= this.make(reserve.group, undefined);
      const slot = reserve.draw.drawUntried(context);
      if (slot !== undefined) return slot;
    }
    return drawn;
  }
}

function areSame<E extends Candidate>(a: Slots<E>, b: Slots<E>): boolean {
  return a.length === b.length && a.every((slot, index) => slot === b[index]);
}
