import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byIdOrder } from '../../../src/registry/by-id.ts';
import { Guard, GUARD_DEFAULTS } from '../../../src/registry/guard.ts';
import { instance } from './fake-driver.ts';

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const NONE: ReadonlySet<string> = new Set();

function judging(...names: string[]): {
  guard: Guard;
  judge: (list: string, nowMs: number, departed?: string) => boolean;
} {
  const guard = new Guard(GUARD_DEFAULTS);
  const judge = (list: string, nowMs: number, departed = ''): boolean =>
    guard.judge(Array.from(list, (id) => instance(id)).sort(byIdOrder), {
      departed: new Set(Array.from(departed)),
      nowMs,
    });
  judge(names.join(''), 0);
  return { guard, judge };
}

const members = (guard: Guard): string =>
  guard
    .members()
    .map(({ id }) => id)
    .sort()
    .join('');

describe('the guard', () => {
  test('lets a small loss pass, and half of two', () => {
    const { guard, judge } = judging('abcd');
    expect(judge('abc', 10)).toBe(false);
    expect(members(guard)).toBe('abc');
    const two = judging('ab');
    two.judge('a', 10);
    expect(members(two.guard)).toBe('a');
  });

  test('holds a loss of most, takes what is new at once', () => {
    const { guard, judge } = judging('abcd');
    expect(judge('aX', 10)).toBe(true);
    expect(members(guard)).toBe('Xabcd');
    expect(guard.suspects()).toEqual(NONE);
    expect(guard.confirmAtMs).toBe(5_010);
  });

  test('holds what a list of strangers replaced', () => {
    const { guard, judge } = judging('a');
    expect(judge('X', 10)).toBe(true);
    expect(members(guard)).toBe('Xa');
  });

  test('counts a trickle within the window as one loss; those that left before come back as suspects', () => {
    const { guard, judge } = judging('abcdefghij');
    for (const [step, list] of ['bcdefghij', 'cdefghij', 'defghij', 'efghij', 'fghij'].entries())
      judge(list, step * 500);
    expect(members(guard)).toBe('fghij');
    expect(judge('ghij', 3_000)).toBe(true);
    expect(members(guard)).toBe('abcdefghij');
    expect([...guard.suspects()].sort().join('')).toBe('abcde');
  });

  test('forgets losses of long ago', () => {
    const { guard, judge } = judging('abcdefghij');
    for (const [step, list] of ['bcdefghij', 'cdefghij', 'defghij', 'efghij', 'fghij', 'ghij'].entries()) {
      expect(judge(list, step * 5_000)).toBe(false);
    }
    expect(members(guard)).toBe('ghij');
  });

  test('drops only suspects on a failed probe', () => {
    const { guard, judge } = judging('ab');
    judge('', 10);
    expect(guard.drop('a')).toBe(false);
    guard.confirm(NONE, 5_010);
    expect(guard.drop('a')).toBe(true);
    expect(members(guard)).toBe('b');
  });

  test('believes proof of death at any time, also of suspects', () => {
    const { guard, judge } = judging('abc');
    judge('', 10);
    guard.confirm(NONE, 6_000);
    judge('', 6_001, 'ab');
    expect(members(guard)).toBe('c');
  });

  test('does not take part of a second read for all of it', () => {
    const { guard, judge } = judging('abc');
    judge('', 10);
    expect(guard.confirm(new Set(['a']), 6_000)).toBe('contradicted');
    expect([...guard.suspects()].sort()).toEqual(['b', 'c']);
    expect(guard.confirmAtMs).toBe(11_000);
  });

  test('never loses whom the registry names, never shows an unexplained majority gone without a second read', () => {
    const step = fc.record({
      list: fc.uniqueArray(fc.constantFrom(...IDS), { maxLength: 8 }),
      leaving: fc.uniqueArray(fc.constantFrom(...IDS), { maxLength: 3 }),
      departed: fc.uniqueArray(fc.constantFrom(...IDS), { maxLength: 2 }),
      waitMs: fc.integer({ min: 1, max: 4_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        const guard = new Guard(GUARD_DEFAULTS);
        let nowMs = 0;
        for (const { list, leaving, departed, waitMs } of steps) {
          nowMs += waitMs;
          const before = guard.members();
          guard.judge(list.map((id) => instance(id, leaving.includes(id) ? { leaving: true } : {})).sort(byIdOrder), {
            departed: new Set(departed.filter((id) => !list.includes(id))),
            nowMs,
          });
          const after = new Set(guard.members().map(({ id }) => id));
          for (const id of list) expect(after.has(id)).toBe(true);
          expect(guard.members()).toHaveLength(after.size);
          const unexplained = before.filter(
            ({ id, leaving: said }) => said !== true && !departed.includes(id) && !after.has(id),
          );
          expect(unexplained.length).toBeLessThanOrEqual(before.length / 2);
          if (list.length === 0) expect(unexplained).toEqual([]);
        }
      }),
      { numRuns: 500 },
    );
  });
});
