// Lists of one service's instances in the order of their ids: where one is, and what differs between two of them.
import type { ServiceInstance } from './types.ts';

/** In order of ids, each id once. */
export type ById = readonly ServiceInstance[];

/** One id at which two lists differ: it joined (no `before`), left (no `now`), or is another object. */
export interface Difference {
  readonly before: ServiceInstance | undefined;
  readonly now: ServiceInstance | undefined;
  /** Where it was in the list before, or would have been. */
  readonly beforeAt: number;
  /** Where it is in the list now, or would be. */
  readonly nowAt: number;
}

/** Code unit order: the same everywhere, unlike a locale's. */
export function byIdOrder(a: ServiceInstance, b: ServiceInstance): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** Index of the first whose id is not below `id`, 0..length; O(log n). */
export function placeOf(list: ById, id: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.id ?? '') < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Does it name `id`? */
export function hasId(list: ById, id: string): boolean {
  return list[placeOf(list, id)]?.id === id;
}

/**
 * In order of ids. One pass that looks into those alone which are not the same objects: of thousands that did not change it
 * costs some microseconds. `now` may be in any order where the caller finds out by `isInOrder`.
 */
export function differences(before: ById, now: ById): readonly Difference[] {
  if (before !== last.before || now !== last.now) last = { before, now, found: find(before, now) };
  return last.found;
}

/** Guard, damping, view and upstream ask for the same two lists, one after the other. */
let last: { readonly before: ById; readonly now: ById; readonly found: readonly Difference[] } = {
  before: [],
  now: [],
  found: [],
};

function find(before: ById, now: ById): Difference[] {
  const found: Difference[] = [];
  if (before === now) return found;
  let beforeAt = 0;
  let nowAt = 0;
  while (beforeAt < before.length || nowAt < now.length) {
    const old = before[beforeAt];
    const own = now[nowAt];
    if (old === own) {
      beforeAt++;
      nowAt++;
      continue;
    }
    const order = old === undefined ? 1 : own === undefined ? -1 : byIdOrder(old, own);
    found.push({ before: order <= 0 ? old : undefined, now: order >= 0 ? own : undefined, beforeAt, nowAt });
    if (order <= 0) beforeAt++;
    if (order >= 0) nowAt++;
  }
  return found;
}

/** Whether `now` is in order, each id once: by its differences to a list that is, since what they share is in that order. */
export function isInOrder(now: ById, changed: readonly Difference[]): boolean {
  return changed.every(({ now: own, nowAt }) => {
    if (own === undefined) return true;
    const [previous, next] = [now[nowAt - 1], now[nowAt + 1]];
    return (previous === undefined || previous.id < own.id) && (next === undefined || own.id < next.id);
  });
}
