import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../../src/resilience/retry-budget.ts';

describe('a retry budget', () => {
  it('allows the floor without any traffic', () => {
    const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 2 });
    const allowed = Array.from({ length: 30 }, () => budget.withdraw(5_000)).filter(Boolean);
    expect(allowed).toHaveLength(20);
    expect(budget.ratioLeft(5_000)).toBe(0);
  });

  it('allows a share of the requests where that is more', () => {
    const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 0 });
    expect(budget.withdraw(1_000)).toBe(false);
    for (let i = 0; i < 100; i++) budget.deposit(1_000);
    expect(budget.ratioLeft(1_000)).toBe(1);
    const allowed = Array.from({ length: 30 }, () => budget.withdraw(1_000)).filter(Boolean);
    expect(allowed).toHaveLength(20);
  });

  it('forgets what is ten seconds old', () => {
    const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 1 });
    for (let i = 0; i < 10; i++) budget.withdraw(500);
    expect(budget.withdraw(9_999)).toBe(false);
    expect(budget.withdraw(10_000)).toBe(true);
    expect(budget.ratioLeft(1_000_000)).toBe(1);
  });

  it('never allows more retries than the larger of both, over any time line', () => {
    const events = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3_000 })), { maxLength: 300 });
    fc.assert(
      fc.property(events, (given) => {
        const budget = new RetryBudget({ ratio: 0.5, minPerSecond: 1 });
        let nowMs = 0;
        const requests: number[] = [];
        const retries: number[] = [];
        for (const [isRequest, stepMs] of given) {
          nowMs += stepMs;
          if (isRequest) {
            budget.deposit(nowMs);
            requests.push(nowMs);
          } else if (budget.withdraw(nowMs)) {
            retries.push(nowMs);
          }
          const isRecent = (atMs: number): boolean => Math.floor(atMs / 1_000) > Math.floor(nowMs / 1_000) - 10;
          const made = retries.filter(isRecent).length;
          // Requests leave the window while retries stay: what was allowed once may exceed the share later, never the floor's.
          expect(made).toBeLessThanOrEqual(Math.max(10, 0.5 * requests.filter((atMs) => atMs > nowMs - 20_000).length));
          expect(budget.ratioLeft(nowMs)).toBeGreaterThanOrEqual(0);
          expect(budget.ratioLeft(nowMs)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
