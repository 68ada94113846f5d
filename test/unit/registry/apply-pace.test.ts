import { expect, test } from 'vitest';
import { ApplyPace } from '../../../src/registry/apply-pace.ts';

/** Waits after applies that took so long, in ms, one after the other. */
function waits(...took: readonly number[]): number[] {
  const pace = new ApplyPace();
  let nowMs = 1_000;
  expect(pace.waitMs(nowMs)).toBeLessThanOrEqual(0);
  return took.map((ms) => {
    const startMs = nowMs;
    nowMs += ms;
    pace.applied(startMs, nowMs);
    const waitMs = pace.waitMs(nowMs);
    nowMs += waitMs;
    return waitMs;
  });
}

test('short applies begin 20 ms apart', () => {
  expect(waits(1, 2, 4)).toEqual([19, 18, 16]);
});

test('long ones are followed by a rest of four times as long, at most 80 ms', () => {
  expect(waits(10, 15, 15, 100, 100)).toEqual([40, 40, 60, 60, 80]);
});

test('one that is long between short ones was interrupted, and is followed by the rest of those', () => {
  expect(waits(2, 30, 2)).toEqual([18, 8, 18]);
});
