import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IDLE_MS, MAX_SERIES, OVERFLOW_UPSTREAM, SeriesTable } from '../../../src/telemetry/series-table.ts';
import { RequestSeries } from '../../../src/telemetry/series.ts';
import { FLAGS } from '../../../src/telemetry/outcome.ts';

const table = (): SeriesTable<RequestSeries> => new SeriesTable((upstream) => new RequestSeries(upstream));

describe('a table of series', () => {
  test('one name has one series', () => {
    const series = table();
    const orders = series.of('orders', 1);
    series.of('payments', 2);
    expect(series.of('orders', 3)).toBe(orders);
    expect(series.size).toBe(2);
  });

  test('names beyond the bound share one series, and a flood of them costs no memory', () => {
    const series = table();
    for (let n = 0; n < MAX_SERIES * 2; n++) series.of(`name-${n}`, n / 100).count(200, 0);
    expect(series.size).toBe(MAX_SERIES + 1);
    expect([...series.of(OVERFLOW_UPSTREAM, 1).counts()]).toEqual([{ codeClass: '2xx', flag: '-', count: MAX_SERIES }]);
    expect(series.of('name-0', 1).upstream).toBe('name-0');
  });

  test('what nobody used for ten minutes is dropped, and begins anew', () => {
    const series = table();
    series.of('old', 0).count(200, 0);
    series.of('new', 1).count(200, 0);
    series.sweep(IDLE_MS);
    expect([...series.values()].map(({ upstream }) => upstream)).toEqual(['new']);
    expect([...series.of('old', IDLE_MS).counts()]).toEqual([]);
  });

  test('a full table makes room by itself once names are idle', () => {
    const series = table();
    for (let n = 0; n < MAX_SERIES; n++) series.of(`name-${n}`, 0);
    expect(series.of('late', IDLE_MS).upstream).toBe('late');
    expect(series.size).toBe(1);
  });
});

test('counts of one series: the sum over class and flag is the number of calls', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 1_000 }), fc.nat({ max: FLAGS.length - 1 }))), (calls) => {
      const series = new RequestSeries('orders');
      const expected = new Map<string, number>();
      for (const [status, flag] of calls) {
        series.count(status, flag);
        const codeClass = status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : 'other';
        const key = `${codeClass} ${FLAGS[flag]}`;
        expected.set(key, (expected.get(key) ?? 0) + 1);
      }
      expect(new Map([...series.counts()].map((c) => [`${c.codeClass} ${c.flag}`, c.count]))).toEqual(expected);
    }),
  );
});
