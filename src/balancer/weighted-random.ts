// HOT PATH. One index out of n with a probability in proportion to its weight, in constant time: Walker's alias method.
import type { Clock } from '../util/clock.ts';

/** Draws that are repeated for a second index; then its neighbour has to do. */
const REDRAWS = 2;

/** Built in O(n) after M. D. Vose, "A linear algorithm for generating random numbers with a given distribution" (1991). */
export class WeightedIndex {
  private readonly clock: Clock;
  private readonly size: number;
  /** Undefined where all weights are equal. */
  private readonly threshold: Float64Array | undefined;
  private readonly alias: Uint32Array | undefined;

  /** @param weights at least one, each > 0. */
  constructor(clock: Clock, weights: readonly number[]) {
    this.clock = clock;
    this.size = weights.length;
    if (weights.every((weight) => weight === weights[0])) return;
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const threshold = Float64Array.from(weights, (weight) => (weight * weights.length) / total);
    const alias = Uint32Array.from(weights, (_, index) => index);
    const small: number[] = [];
    const large: number[] = [];
    threshold.forEach((share, index) => (share < 1 ? small : large).push(index));
    for (let less = small.pop(); less !== undefined; less = small.pop()) {
      const more = large.pop();
      if (more === undefined) {
        threshold[less] = 1; // Rounding left it over: its own share is a whole one.
        continue;
      }
      alias[less] = more;
      const rest = (threshold[more] ?? 0) - (1 - (threshold[less] ?? 0));
      threshold[more] = rest;
      (rest < 1 ? small : large).push(more);
    }
    for (const index of large) threshold[index] = 1;
    this.threshold = threshold;
    this.alias = alias;
  }

  /** 0..n−1 */
  next(): number {
    const point = this.clock.random() * this.size;
    const index = Math.floor(point);
    if (this.threshold === undefined || this.alias === undefined) return index;
    return point - index < (this.threshold[index] ?? 0) ? index : (this.alias[index] ?? 0);
  }

  /** Another one than `index`, by weight again where a few tries give one. At least two. */
  nextOther(index: number): number {
    let other = this.next();
    for (let redraw = 0; redraw < REDRAWS && other === index; redraw++) other = this.next();
    return other === index ? (index + 1) % this.size : other;
  }
}
