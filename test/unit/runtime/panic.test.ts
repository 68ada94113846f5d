import { describe, expect, it } from 'vitest';
import { PanicGuard } from '../../../src/runtime/panic.ts';
import type { Log } from '../../../src/telemetry/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function setup() {
  const clock = new FakeClock();
  const lines: string[] = [];
  const write = (message: string): void => void lines.push(message);
  const log: Log = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write };
  const totals = { completed: 0, bugs: 0 };
  const exits: number[] = [];
  const guard = new PanicGuard({ clock, log, totals: () => ({ ...totals }), end: (code) => exits.push(code) });
  return { clock, lines, totals, exits, guard };
}

describe('PanicGuard', () => {
  it('logs a bug and goes on', () => {
    const { guard, exits, lines } = setup();
    guard.escaped(new Error('bug'));
    guard.escaped(new Error('bug'));
    expect([guard.escapes, exits, lines.length]).toEqual([2, [], 2]);
  });

  it('ends the process with 70 when three escape within ten seconds and nothing else happens', () => {
    const { guard, exits } = setup();
    for (let i = 0; i < 3; i++) guard.escaped(new Error('bug'));
    expect(exits).toEqual([70]);
  });

  it('goes on while requests are answered, however many errors escape', () => {
    const { guard, exits, totals, lines } = setup();
    totals.completed = 0;
    for (let i = 0; i < 100; i++) {
      totals.completed += 1;
      guard.escaped(new Error('bug'));
    }
    expect(exits).toEqual([]);
    expect(lines.length).toBeLessThanOrEqual(10);
  });

  it('ends it when what is answered are bugs, too', () => {
    const { guard, exits, totals } = setup();
    totals.completed = 100;
    totals.bugs = 100;
    for (let i = 0; i < 3; i++) guard.escaped(new Error('bug'));
    expect(exits).toEqual([70]);
  });

  it('forgets escapes after ten seconds', async () => {
    const { guard, exits, clock } = setup();
    for (let i = 0; i < 6; i++) {
      guard.escaped(new Error('bug'));
      await clock.advance(6_000);
    }
    expect(exits).toEqual([]);
  });
});
