import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdleLimit } from '../../../src/upstream/idle-limit.ts';

describe('the idle limit of an endpoint', () => {
  it('lets what can be repeated use any connection, and what cannot none, before anything was seen', () => {
    const limit = new IdleLimit();
    expect(limit.reuseMs).toBe(Infinity);
    expect(limit.provenMs).toBeLessThan(0);
  });

  it('trusts 80 % of the age at which a connection was seen open, less 50 ms', () => {
    const limit = new IdleLimit();
    limit.kept(1_000);
    limit.kept(100);
    expect(limit.provenMs).toBe(750);
  });

  it('keeps what cannot be repeated below the first close, and the rest below the third', () => {
    const limit = new IdleLimit();
    limit.kept(1_000);
    limit.closedByPeer(500, 0);
    expect([limit.reuseMs, limit.provenMs]).toEqual([Infinity, 350]);
    limit.closedByPeer(510, 1_000);
    limit.closedByPeer(505, 2_000);
    expect([limit.reuseMs, limit.provenMs]).toEqual([399, 350]);
  });

  it('takes closes of very different ages at one moment for a restart', () => {
    const limit = new IdleLimit();
    limit.kept(4_000);
    for (const ageMs of [3_000, 200, 5]) limit.closedByPeer(ageMs, 1_000);
    expect(limit.observedMs).toBe(Infinity);
  });

  it('drops a bound that another connection outlived', () => {
    const limit = new IdleLimit();
    for (let close = 0; close < 3; close++) limit.closedByPeer(10, close * 1_000);
    limit.survived(15);
    expect(limit.observedMs).toBe(10);
    limit.survived(4_000);
    expect(limit.reuseMs).toBe(Infinity);
  });

  it('never lets a request that cannot be repeated use a connection as old as one that was closed since the last that outlived it', () => {
    const event = fc.record({
      kind: fc.constantFrom('closed', 'kept'),
      ageMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
      afterMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 50 }), (events) => {
        const limit = new IdleLimit();
        let nowMs = 0;
        let keptMs = 0;
        for (const { kind, ageMs, afterMs } of events) {
          nowMs += afterMs;
          if (kind === 'kept') {
            limit.kept(ageMs);
            keptMs = Math.max(keptMs, ageMs);
          } else {
            limit.closedByPeer(ageMs, nowMs);
          }
          expect(limit.provenMs).toBeLessThanOrEqual(0.8 * keptMs);
          expect(limit.provenMs).toBeLessThan(Math.max(0, limit.observedMs));
          expect(limit.reuseMs).toBeGreaterThanOrEqual(limit.provenMs);
        }
      }),
    );
  });
});
