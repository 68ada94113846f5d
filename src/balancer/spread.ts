// HOT PATH. Several groups drawn from in given shares: zones that spill over, priorities that fail over.
import type { Draw } from './draw.ts';
import type { Candidate, PickContext, Slot } from './picker.ts';

/** 0 ≤ x < 1; the same for requests with the same key where the policy hashes, by chance otherwise. */
export type Choose = (context: PickContext) => number;

/** What a request is drawn from; `share` > 0, relative to the others. */
export interface Portion<E extends Candidate> {
  readonly share: number;
  readonly draw: Draw<E>;
}

/** Chooses a group by its share, then draws from it. A request that has tried all of a group goes on with the next. */
export class Spread<E extends Candidate> implements Draw<E> {
  private readonly first: Draw<E>;
  private readonly portions: readonly Portion<E>[];
  private readonly total: number;
  private readonly choose: Choose;

  /** @param first one of them, drawn from where rounding leaves none. */
  constructor(first: Portion<E>, others: readonly Portion<E>[], choose: Choose) {
    this.first = first.draw;
    this.portions = [first, ...others];
    this.total = this.portions.reduce((sum, { share }) => sum + share, 0);
    this.choose = choose;
  }

  draw(context: PickContext): Slot<E> {
    return this.chosen(context).draw(context);
  }

  drawUntried(context: PickContext): Slot<E> | undefined {
    const chosen = this.chosen(context);
    const found = chosen.drawUntried(context);
    if (found !== undefined) return found;
    for (const { draw } of this.portions) {
      const other = draw === chosen ? undefined : draw.drawUntried(context);
      if (other !== undefined) return other;
    }
    return undefined;
  }

  private chosen(context: PickContext): Draw<E> {
    let point = this.choose(context) * this.total;
    for (const { share, draw } of this.portions) {
      point -= share;
      if (point < 0) return draw;
    }
    return this.first;
  }
}
