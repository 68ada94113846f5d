// Two lists of one service → what changed, one line for each instance.
import { addressText, flatten } from './registry-access.ts';
import type { FlatInstance } from './registry-access.ts';
import { printable } from '../config/problem.ts';
import type { ServiceInstance } from '../registry/types.ts';

/** `fields`: names of those that differ. */
export type Change =
  | { readonly change: 'added' | 'removed'; readonly instance: FlatInstance }
  | { readonly change: 'changed'; readonly instance: FlatInstance; readonly fields: readonly string[] };

const SIGNS: Readonly<Record<Change['change'], string>> = { added: '+', removed: '-', changed: '~' };

/** From `before` to `after`, in the order of ids, removals first. `owner` is nobody's business and is not compared. */
export function changesBetween(before: readonly ServiceInstance[], after: readonly ServiceInstance[]): Change[] {
  const old = new Map(before.map((instance) => [instance.id, instance]));
  const ids = new Set(after.map(({ id }) => id));
  const removed = before.filter(({ id }) => !ids.has(id));
  const changes: Change[] = removed.map((instance) => ({ change: 'removed', instance: flatten(instance) }));
  for (const instance of after) {
    const known = old.get(instance.id);
    if (known === undefined) {
      changes.push({ change: 'added', instance: flatten(instance) });
      continue;
    }
    const fields = differing(flatten(known), flatten(instance));
    if (fields.length > 0) changes.push({ change: 'changed', instance: flatten(instance), fields });
  }
  return changes;
}

/** `+ id address health weight 100`, with what changed behind it. */
export function changeText(change: Change): string {
  const { instance } = change;
  const state = instance.leaving === true ? 'leaving' : instance.enabled ? instance.health : 'disabled';
  const fields = change.change === 'changed' ? ` (${change.fields.join(', ')})` : '';
  return printable(
    `${SIGNS[change.change]} ${instance.id} ${addressText(instance)} ${state} weight ${instance.weight}${fields}`,
  );
}

function differing(a: FlatInstance, b: FlatInstance): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)] as (keyof FlatInstance)[]);
  names.delete('owner');
  return [...names].filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}
