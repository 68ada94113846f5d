import fc from 'fast-check';
import { expect, test } from 'vitest';
import { byIdOrder, differences, hasId, isInOrder, placeOf } from '../../../src/registry/by-id.ts';
import type { ServiceInstance } from '../../../src/registry/types.ts';
import { instance } from './fake-driver.ts';

const IDS = ['a', 'b', 'c', 'd', 'e', 'f'];
/** Two objects of each id, so that lists share some and differ in others. */
const OBJECTS = [...IDS, ...IDS].map((id) => instance(id));
const some = fc.uniqueArray(fc.constantFrom(...OBJECTS), { selector: ({ id }) => id });
const sorted = some.map((list) => [...list].sort(byIdOrder));

test('a list is found again from its differences to another', () => {
  fc.assert(
    fc.property(sorted, sorted, (before, now) => {
      const byId = new Map(before.map((one) => [one.id, one]));
      for (const { before: old, now: own, beforeAt, nowAt } of differences(before, now)) {
        expect(old).not.toBe(own);
        if (old !== undefined) expect(before[beforeAt]).toBe(old);
        if (own !== undefined) expect(now[nowAt]).toBe(own);
        if (own === undefined) byId.delete(old?.id ?? '');
        else byId.set(own.id, own);
      }
      expect([...byId.values()].sort(byIdOrder)).toEqual(now);
      expect([...byId.values()].every((one) => now.includes(one))).toBe(true);
    }),
  );
});

test('a list that is out of order, or names an id twice, is known by its differences to one in order', () => {
  const any = fc.array(fc.constantFrom(...OBJECTS), { maxLength: 8 });
  const isSorted = (list: readonly ServiceInstance[]): boolean =>
    list.every((one, at) => at === 0 || (list[at - 1]?.id ?? '') < one.id);
  fc.assert(
    fc.property(sorted, fc.oneof(any, sorted), (before, now) => {
      expect(isInOrder(now, differences(before, now))).toBe(isSorted(now));
    }),
  );
});

test('an id has its place, also where it is not there', () => {
  const list = ['b', 'd', 'f'].map((id) => instance(id));
  expect(['a', 'b', 'c', 'f', 'g'].map((id) => placeOf(list, id))).toEqual([0, 0, 1, 2, 3]);
  expect(['a', 'b', 'g'].map((id) => hasId(list, id))).toEqual([false, true, false]);
});
