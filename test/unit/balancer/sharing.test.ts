// What a picker takes over from the one before it where nothing has changed, and what a trial leaves alone.
import { expect, it } from 'vitest';
import type { HashDraw } from '../../../src/balancer/hash-draw.ts';
import { Policy } from '../../../src/balancer/policies.ts';
import type { PlannedPicker } from '../../../src/balancer/planned-picker.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { build, equal, pick, planOf, POLICIES, type TestEndpoint } from '../../support/picking.ts';

const SLOTS = equal(5);

function ids(picker: PlannedPicker<TestEndpoint>, picks: number): string[] {
  return Array.from({ length: picks }, () => pick(picker).id);
}

it('an update that leaves the slots of a group as they were goes on with its draw, without a new table', () => {
  const drawOf = (picker: PlannedPicker<TestEndpoint>): HashDraw<TestEndpoint> =>
    (picker as unknown as { first: HashDraw<TestEndpoint> }).first;
  for (const options of [POLICIES.maglev, POLICIES['ring-hash']]) {
    const before = build(options, planOf(SLOTS));
    expect(drawOf(build(options, planOf([...SLOTS]), 2, before)).table).toBe(drawOf(before).table);
    expect(drawOf(build(options, planOf(SLOTS.slice(1)), 2, before)).table).not.toBe(drawOf(before).table);
  }
});

it('what is drawn on trial moves nobody’s turn', () => {
  const policy = new Policy<TestEndpoint>(POLICIES['round-robin'], new FakeClock());
  const picker = policy.pickerOf(planOf(SLOTS));
  if (picker === undefined) throw new Error('nothing to pick from');
  const first = ids(picker, 5);
  const trial = policy.pickerOf(planOf(SLOTS), picker, 'copied');
  if (trial === undefined) throw new Error('nothing to pick from');
  ids(trial, 3);
  expect(ids(picker, 5)).toEqual(first);
});
