import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Breaker } from '../../../src/resilience/breaker.ts';
import { TrafficHistory } from '../../../src/resilience/traffic-drop.ts';
import { UPSTREAM_DEFAULTS } from '../../../src/upstream/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const STEP_MS = 5_000;

/** Feeds a history with requests a second, of which a share fails; gives the seconds at which it says to open. */
class Feed {
  readonly opened: number[] = [];
  why = '';
  private readonly history = new TrafficHistory();
  private requests = 0;
  private failures = 0;
  private nowMs = 0;

  constructor() {
    this.history.step({ requests: 0, failures: 0 }, 0);
  }

  give(seconds: number, perSecond: number, errors: number): this {
    for (let s = 0; s < seconds; s += 5) {
      this.requests += perSecond * 5;
      this.failures += perSecond * 5 * errors;
      this.nowMs += STEP_MS;
      const why = this.history.step({ requests: this.requests, failures: this.failures }, this.nowMs);
      if (why === undefined) continue;
      this.why = why;
      this.opened.push(this.nowMs / 1_000);
    }
    return this;
  }

  /** The counters begin anew: the series was dropped. */
  restart(): this {
    this.requests = 0;
    this.failures = 0;
    return this;
  }

  pause(ms: number): this {
    this.nowMs += ms;
    return this;
  }
}

describe('a drop of traffic', () => {
  it('opens when it has lasted for 30 s with errors', () => {
    const feed = new Feed().give(310, 100, 0.06).give(35, 50, 0.06);
    expect(feed.opened).toEqual([]);
    feed.give(5, 50, 0.06);
    expect(feed.opened).toEqual([350]);
    expect(feed.why).toMatch(/^traffic dropped by 4\d %, and \d+ of the \d+ requests of two minutes failed$/);
  });

  it.each([
    ['of less than 40 %', 61, 0.06],
    ['without errors', 50, 0],
    ['with 5 % of errors', 50, 0.05],
  ])('%s does nothing', (_what, perSecond, errors) => {
    expect(new Feed().give(310, 100, errors).give(200, perSecond, errors).opened).toEqual([]);
  });

  it('with a break begins anew', () => {
    const feed = new Feed().give(310, 100, 0.1);
    for (let i = 0; i < 5; i++) feed.give(25, 50, 0.1).give(10, 100, 0.1);
    expect(feed.opened).toEqual([]);
  });

  it('says nothing of fewer than a hundred requests', () => {
    expect(new Feed().give(310, 1, 0.5).give(120, 0.2, 0.5).opened).toEqual([]);
  });

  it('says nothing before there are five minutes', () => {
    expect(new Feed().give(270, 100, 0.1).give(35, 10, 0.1).opened).toEqual([]);
  });

  it('is not seen in counters that begin anew, nor after a time in which the process stood still', () => {
    const restarted = new Feed().give(310, 100, 0.1).restart().give(300, 100, 0.1);
    expect(restarted.opened).toEqual([]);
    const stalled = new Feed().give(310, 100, 0.1).give(25, 10, 0.1).pause(20_000).give(300, 10, 0.1);
    expect(stalled.opened).toEqual([]);
  });

  it('never opens while traffic does not fall, whatever the errors', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 100, maxLength: 150 });
    fc.assert(
      fc.property(steps, fc.double({ min: 0, max: 1, noNaN: true }), (growth, errors) => {
        const feed = new Feed();
        let perSecond = 10;
        for (const more of growth) feed.give(5, (perSecond += more), errors);
        return feed.opened.length === 0;
      }),
    );
  });

  it('keeps the breaker open for a minute, then half-open; the time before counts no more', async () => {
    const clock = new FakeClock();
    const breaker = new Breaker('orders', UPSTREAM_DEFAULTS.breaker, clock);
    let [requests, failures] = [0, 0];
    const give = async (seconds: number, perSecond: number): Promise<void> => {
      for (let s = 0; s < seconds; s += 5) {
        await clock.advance(STEP_MS);
        requests += perSecond * 5;
        failures += perSecond;
        breaker.onTraffic({ requests, failures });
      }
    };
    await give(320, 100);
    await give(45, 10);
    expect(breaker.describe(clock.now())).toMatchObject({ state: 'open', untilMs: expect.any(Number) as number });
    const untilMs = breaker.describe(clock.now()).untilMs ?? 0;
    expect(untilMs).toBeGreaterThan(45_000);
    expect(untilMs).toBeLessThanOrEqual(60_000);
    await give(untilMs / 1_000 + 5, 10);
    expect(breaker.describe(clock.now()).state).toBe('half-open');
    expect(breaker.admitProbe()).toBeUndefined();
    breaker.probed('answered');
    await give(250, 1);
    expect(breaker.isClosed).toBe(true);
  });
});
