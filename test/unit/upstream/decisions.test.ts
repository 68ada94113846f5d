import { describe, expect, it } from 'vitest';
import { Decisions } from '../../../src/upstream/decisions.ts';

describe('decisions', () => {
  it('keep a bounded number, the newest first', () => {
    const decisions = new Decisions();
    for (let n = 1; n <= 1_000; n++) decisions.changed(`change ${n}`, n);
    const last = decisions.last(10_000);
    expect(last).toHaveLength(128);
    expect(last.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 128 }, (_, i) => 1_000 - i));
    expect(decisions.last(1)).toEqual([{ kind: 'upstream', atMs: 1_000, what: 'change 1000' }]);
  });

  it('a storm of retries does not wash away what changed', () => {
    const decisions = new Decisions();
    decisions.placed('10.0.0.1:80', 'ejected', 'after 5 failures', 1);
    for (let n = 2; n <= 10_000; n++) decisions.picked('10.0.0.2:80', 2, n);
    expect(decisions.last(1_000).at(-1)).toMatchObject({ kind: 'endpoint', endpoint: '10.0.0.1:80', state: 'ejected' });
  });

  it('ordinary picks are noted once a second', () => {
    const decisions = new Decisions();
    for (let ms = 0; ms < 5_000; ms++) decisions.picked('10.0.0.1:80', 1, ms);
    const noted = decisions.last(10).map(({ atMs }) => atMs);
    expect(noted).toEqual([4_000, 3_000, 2_000, 1_000, 0]);
  });
});
