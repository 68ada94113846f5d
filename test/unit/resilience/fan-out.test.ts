import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Breaker } from '../../../src/resilience/breaker.ts';
import { fanOut, type Task } from '../../../src/resilience/fan-out.ts';
import { UPSTREAM_DEFAULTS } from '../../../src/upstream/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const RESET = new ProxyError('PF_UPSTREAM_CLOSED', 'reset', { requestSent: true });
const GARBAGE = new ProxyError('PF_UPSTREAM_PROTOCOL', 'garbage', { requestSent: true });

const gives =
  (value: string): Task<string> =>
  () =>
    Promise.resolve(value);
const fails =
  (error: unknown): Task<string> =>
  () =>
    Promise.reject(error instanceof Error ? error : new Error('none'));
/** Ends when it is cancelled, with why. */
const waits: Task<string> = (signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

/** What a breaker is told. */
function recorder(): {
  readonly rows: string[];
  readonly breaker: Pick<Breaker, 'isClosed' | 'admitProbe' | 'probed' | 'record'>;
} {
  const rows: string[] = [];
  const breaker = {
    isClosed: true,
    admitProbe: () => undefined,
    probed: (row: string) => void rows.push(row),
    record: (row: string) => void rows.push(row),
  };
  return { rows, breaker };
}

describe('a fan-out', () => {
  it('gives the results in the order of its tasks', async () => {
    const results = await fanOut([gives('a'), gives('b')]);
    expect(results).toEqual([
      { status: 'fulfilled', value: 'a' },
      { status: 'fulfilled', value: 'b' },
    ]);
    expect(await fanOut([])).toEqual([]);
  });

  it('ends with the first error that is not recoverable, and cancels the others', async () => {
    const bug = new Error('bug');
    const begun: string[] = [];
    const later: Task<string> = () => {
      begun.push('later');
      return Promise.resolve('later');
    };
    await expect(fanOut([waits, fails(bug), waits])).rejects.toBe(bug);
    await expect(fanOut([fails(GARBAGE), later], { concurrency: 1 })).rejects.toBe(GARBAGE);
    expect(begun).toEqual([]);
  });

  it.each([
    ['a reset', RESET],
    [
      'a refused connection of fetch',
      new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }),
    ],
    ['a timeout', new DOMException('late', 'TimeoutError')],
  ])('goes on after %s', async (_what, error) => {
    const results = await fanOut([fails(error), gives('b')], { concurrency: 1 });
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  it('runs all to their end where all errors are wanted', async () => {
    const ended = fanOut([fails(GARBAGE), gives('b'), fails(new Error('bug'))], { errors: 'all' });
    await expect(ended).rejects.toMatchObject({ name: 'AggregateError', errors: [GARBAGE, { message: 'bug' }] });
  });

  it('is cancelled by its signal, which it lets go of afterwards', async () => {
    const controller = new AbortController();
    const ended = fanOut([waits, waits], { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(ended).rejects.toThrow('enough');
    await expect(fanOut([gives('a')], { signal: controller.signal })).rejects.toThrow('enough');
  });

  it('never runs more at a time than allowed, and each exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 8 }),
        async (turns, concurrency) => {
          let [running, most] = [0, 0];
          const runs: number[] = [];
          const tasks = turns.map((count, index) => async () => {
            runs.push(index);
            most = Math.max(most, ++running);
            for (let turn = 0; turn < count; turn++) await Promise.resolve();
            running--;
            return index;
          });
          const results = await fanOut(tasks, { concurrency });
          expect(most).toBeLessThanOrEqual(concurrency);
          expect(runs).toEqual(turns.map((_, index) => index));
          expect(results.map((result) => (result.status === 'fulfilled' ? result.value : -1))).toEqual(runs);
        },
      ),
    );
  });
});

describe('a fan-out and a breaker', () => {
  it.each([
    ['answered', [gives('a'), gives('b')]],
    ['reset', [gives('a'), fails(RESET), fails(RESET)]],
    ['protocol-error', [fails(RESET), fails(GARBAGE)]],
    ['bug', [gives('a'), fails(new Error('bug'))]],
  ] as const)('are one outcome: %s', async (row, tasks) => {
    const { rows, breaker } = recorder();
    await fanOut(tasks, { breaker, errors: 'all' }).catch(() => undefined);
    expect(rows).toEqual([row]);
  });

  it('refuse at once while it is open, and probe it when that is due', async () => {
    const clock = new FakeClock();
    const breaker = new Breaker('orders', { ...UPSTREAM_DEFAULTS.breaker, consecutiveFailures: 1 }, clock);
    await expect(fanOut([fails(GARBAGE)], { breaker })).rejects.toBe(GARBAGE);
    await expect(fanOut([gives('a')], { breaker })).rejects.toMatchObject({ code: 'PF_BREAKER_OPEN' });
    await clock.advance(400);
    await fanOut([gives('a'), gives('b')], { breaker });
    expect(breaker.isClosed).toBe(true);
  });
});
