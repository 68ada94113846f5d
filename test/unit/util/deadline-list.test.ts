import { describe, expect, it } from 'vitest';
import { Deadline, DeadlineList } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function setup(durationMs = 1_000) {
  const clock = new FakeClock();
  const passed: Deadline[] = [];
  const owner = { onDeadline: (deadline: Deadline) => void passed.push(deadline) };
  return { clock, passed, owner, list: new DeadlineList(clock, durationMs) };
}

describe('DeadlineList', () => {
  it('lets deadlines pass in the order they were armed, never early', async () => {
    const { clock, passed, owner, list } = setup();
    const [a, b] = [new Deadline(owner), new Deadline(owner)];
    list.arm(a, clock.now());
    await clock.advance(500);
    list.arm(b, clock.now());
    await clock.advance(499);
    expect(passed).toEqual([]);
    await clock.advance(60);
    expect(passed).toEqual([a]);
    await clock.advance(500);
    expect(passed).toEqual([a, b]);
    expect(clock.timers).toBe(0);
  });

  it('forgets a disarmed one and starts one armed again anew', async () => {
    const { clock, passed, owner, list } = setup();
    const [a, b] = [new Deadline(owner), new Deadline(owner)];
    list.arm(a, clock.now());
    list.arm(b, clock.now());
    a.disarm();
    await clock.advance(900);
    list.arm(b, clock.now());
    await clock.advance(900);
    expect([passed, a.isArmed, b.isArmed]).toEqual([[], false, true]);
    await clock.advance(200);
    expect(passed).toEqual([b]);
  });

  it('keeps one timer for ten thousand deadlines', () => {
    const { clock, owner, list } = setup();
    for (let i = 0; i < 10_000; i++) list.arm(new Deadline(owner), clock.now());
    expect(clock.timers).toBe(1);
  });

  it('does not run for ever when an owner arms its deadline again as it passes', async () => {
    const clock = new FakeClock();
    let count = 0;
    const list = new DeadlineList(clock, 100);
    const again: Deadline = new Deadline({
      onDeadline: (deadline) => {
        count++;
        list.arm(deadline, clock.now() - 200);
      },
    });
    list.arm(again, clock.now());
    await clock.advance(106);
    expect(count).toBe(1);
  });

  it('puts one that is armed from an earlier time where it belongs', async () => {
    const { clock, passed, list } = setup();
    let starts = 0;
    const late = new Deadline({
      onDeadline: (deadline) => {
        passed.push(deadline);
        if (starts++ === 0) list.arm(late, clock.now() - 600);
      },
    });
    const other = new Deadline({ onDeadline: (deadline) => void passed.push(deadline) });
    list.arm(late, clock.now());
    await clock.advance(900);
    list.arm(other, clock.now());
    await clock.advance(150);
    expect(passed).toEqual([late]);
    await clock.advance(500);
    expect(passed).toEqual([late, late]);
    await clock.advance(500);
    expect(passed).toEqual([late, late, other]);
  });
});
