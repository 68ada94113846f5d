import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Breaker } from '../../../src/resilience/breaker.ts';
import { BREAKER_TABLE, rowOfStatus, type BreakerRow } from '../../../src/resilience/breaker-table.ts';
import { UPSTREAM_DEFAULTS, type BreakerOptions } from '../../../src/upstream/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ROWS = Object.keys(BREAKER_TABLE) as BreakerRow[];

let clock: FakeClock;
let changes: string[];

beforeEach(() => {
  clock = new FakeClock();
  changes = [];
});

function make(over: Partial<BreakerOptions> = {}): Breaker {
  const options = { ...UPSTREAM_DEFAULTS.breaker, consecutiveFailures: 5, errorRatio: 0.5, ...over };
  return new Breaker('orders', options, clock, ({ state }) => changes.push(state));
}

function records(breaker: Breaker, count: number, row: BreakerRow): void {
  for (let i = 0; i < count; i++) breaker.record(row);
}

/** Until the next probe may pass. */
async function untilProbe(breaker: Breaker): Promise<void> {
  await clock.advance((breaker.describe(clock.now()).untilMs ?? 0) + 1);
}

describe('the run of failures', () => {
  const feeding = ROWS.filter((row) => BREAKER_TABLE[row].feedsRun);

  it.each(feeding)('opens after five of %s', (row) => {
    const breaker = make();
    records(breaker, 4, row);
    expect(breaker.isClosed).toBe(true);
    breaker.record(row);
    expect(changes).toEqual(['open']);
    expect(breaker.describe(clock.now()).why).toContain(row);
  });

  it.each(ROWS.filter((row) => !feeding.includes(row)))('never opens by %s', (row) => {
    const breaker = make({ minRequests: 1_000 });
    records(breaker, 500, row);
    expect(breaker.isClosed).toBe(true);
  });

  it('is ended by an answer, not by what is recoverable', () => {
    const breaker = make();
    records(breaker, 4, 'server-error');
    breaker.record('answered');
    records(breaker, 4, 'server-error');
    records(breaker, 20, 'reset');
    expect(breaker.isClosed).toBe(true);
    breaker.record('protocol-error');
    expect(breaker.isClosed).toBe(false);
  });

  it('is not looked at where configuration says so', () => {
    const breaker = make({ consecutiveFailures: 0 });
    records(breaker, 99, 'server-error');
    expect(breaker.isClosed).toBe(true);
  });
});

describe("the app's own 4xx", () => {
  const statuses = [400, 401, 403, 404, 405, 409, 410, 422, 429, 451, 499];

  function answers(breaker: Breaker, count: number, status: number): void {
    for (let i = 0; i < count; i++) breaker.onAttemptEnd('success', status, undefined, clock.now(), clock.now());
  }

  it.each(statuses)('%i is no request of the ratio', (status) => {
    const breaker = make({ consecutiveFailures: 0 });
    answers(breaker, 5_000, status);
    records(breaker, 99, 'unavailable');
    expect(breaker.isClosed).toBe(true);
    breaker.record('unavailable');
    expect(breaker.describe(clock.now()).why).toBe('100 of 100 requests failed within 10 s');
  });

  it.each(statuses)('%i neither lengthens nor ends a run', (status) => {
    const breaker = make();
    answers(breaker, 50, status);
    records(breaker, 4, 'server-error');
    answers(breaker, 50, status);
    expect(breaker.isClosed).toBe(true);
    breaker.record('server-error');
    expect(breaker.isClosed).toBe(false);
  });

  it.each(statuses)('%i to a probe closes', async (status) => {
    const breaker = make();
    records(breaker, 5, 'server-error');
    await untilProbe(breaker);
    breaker.admitProbe();
    breaker.probed(rowOfStatus(status));
    expect(breaker.isClosed).toBe(true);
  });
});

describe('a probe', () => {
  it.each(ROWS)('that ends as %s does what the table says', async (row) => {
    const breaker = make();
    records(breaker, 5, 'server-error');
    await untilProbe(breaker);
    breaker.admitProbe();
    breaker.probed(row);
    const expected = { good: 'closed', bad: 'open', 'no verdict': 'half-open' }[BREAKER_TABLE[row].probe];
    expect(breaker.describe(clock.now()).state).toBe(expected);
  });
});

describe('the error ratio', () => {
  it.each(ROWS.filter((row) => BREAKER_TABLE[row].ratio === 'failure'))('counts %s', (row) => {
    const breaker = make({ consecutiveFailures: 0 });
    records(breaker, 50, 'answered');
    records(breaker, 49, row);
    expect(breaker.isClosed).toBe(true);
    breaker.record(row);
    expect(breaker.isClosed).toBe(false);
  });

  it.each(ROWS.filter((row) => BREAKER_TABLE[row].ratio !== 'failure'))('does not count %s as a failure', (row) => {
    const breaker = make();
    records(breaker, 1_000, row);
    expect(breaker.isClosed).toBe(true);
  });

  it('says nothing of fewer than a hundred attempts', () => {
    const breaker = make();
    records(breaker, 99, 'reset');
    records(breaker, 1_000, 'cancelled-by-client');
    expect(breaker.isClosed).toBe(true);
    breaker.record('reset');
    expect(breaker.isClosed).toBe(false);
  });

  it('does not open where one of three copies fails, before it is ejected', () => {
    const breaker = make({ errorRatio: UPSTREAM_DEFAULTS.breaker.errorRatio });
    for (let i = 0; i < 3_000; i++) breaker.record(i % 3 === 0 ? 'connect-refused' : 'answered');
    expect(breaker.isClosed).toBe(true);
  });

  it('slides', async () => {
    const breaker = make();
    records(breaker, 99, 'reset');
    await clock.advance(10_000);
    records(breaker, 99, 'reset');
    expect(breaker.isClosed).toBe(true);
  });

  it('is never reached where fewer than its share of any ten seconds fail', () => {
    const events = fc.array(
      fc.record({ stepMs: fc.integer({ min: 0, max: 2_000 }), count: fc.integer({ min: 1, max: 60 }) }),
      { maxLength: 100 },
    );
    fc.assert(
      fc.property(events, (given) => {
        let nowMs = 0;
        const breaker = new Breaker('orders', { ...UPSTREAM_DEFAULTS.breaker, errorRatio: 0.5 }, clock);
        for (const { stepMs, count } of given) {
          nowMs += stepMs;
          // Two good ones in front of each failure: at no moment, and over no window, do half of them fail.
          for (let i = 0; i < count; i++) {
            breaker.record('answered', nowMs);
            breaker.record('answered', nowMs);
            breaker.record('unavailable', nowMs);
          }
        }
        return breaker.isClosed;
      }),
    );
  });

  it('is reached where everything fails, and a hundred come within the window, whatever their spacing', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 80 }), { minLength: 100, maxLength: 100 }), (steps) => {
        let nowMs = 5_000;
        const breaker = new Breaker('orders', UPSTREAM_DEFAULTS.breaker, clock);
        for (const step of steps) breaker.record('deadline-exceeded', (nowMs += step));
        return !breaker.isClosed;
      }),
    );
  });
});

describe('open', () => {
  it('refuses at once, and says when to come back', () => {
    const breaker = make({ openMs: 2_000 });
    records(breaker, 5, 'server-error');
    expect(breaker.wouldRefuse(clock.now())).toBe(true);
    const refusal = breaker.admitProbe();
    expect(refusal).toMatchObject({ code: 'PF_BREAKER_OPEN', status: 503 });
    expect(refusal?.requestSent).toBeUndefined();
    expect(refusal?.retryAfterMs).toBeGreaterThanOrEqual(2_000);
    expect(refusal?.retryAfterMs).toBeLessThanOrEqual(2_500);
  });

  it('lets one probe pass at a time, and closes after a good answer', async () => {
    const breaker = make();
    records(breaker, 5, 'server-error');
    await untilProbe(breaker);
    expect(breaker.describe(clock.now()).state).toBe('half-open');
    expect(breaker.admitProbe()).toBeUndefined();
    expect(breaker.admitProbe()).toMatchObject({ code: 'PF_BREAKER_OPEN' });
    breaker.probed('client-error');
    expect(breaker.isClosed).toBe(true);
    expect(changes).toEqual(['open', 'half-open', 'closed']);
  });

  it('wants as many good answers in a row as configured', async () => {
    const breaker = make({ probes: 2 });
    records(breaker, 5, 'server-error');
    for (const row of ['answered', 'unavailable', 'answered', 'answered'] as const) {
      expect(breaker.isClosed).toBe(false);
      await untilProbe(breaker);
      expect(breaker.admitProbe()).toBeUndefined();
      breaker.probed(row);
    }
    expect(breaker.isClosed).toBe(true);
  });

  it('learns nothing of a probe whose client went away: the next one is let through', async () => {
    const breaker = make();
    records(breaker, 5, 'server-error');
    await untilProbe(breaker);
    breaker.admitProbe();
    breaker.probed('cancelled-by-client');
    expect(breaker.describe(clock.now()).state).toBe('half-open');
    expect(breaker.admitProbe()).toBeUndefined();
  });

  it('is not kept up by a probe that takes for ever', async () => {
    const breaker = make();
    records(breaker, 5, 'server-error');
    await untilProbe(breaker);
    breaker.admitProbe();
    await clock.advance(999);
    expect(breaker.wouldRefuse(clock.now())).toBe(true);
    await clock.advance(1);
    expect(breaker.admitProbe()).toBeUndefined();
  });

  it('waits a tenth of the outage between two probes, within its bounds', async () => {
    const breaker = make();
    records(breaker, 5, 'server-error');
    const brokeAtMs = clock.now();
    for (let i = 0; i < 100; i++) {
      const { untilMs = 0 } = breaker.describe(clock.now());
      const share = Math.min(5_000, Math.max(250, (clock.now() - brokeAtMs) / 10));
      expect(untilMs).toBeGreaterThanOrEqual(Math.floor(share));
      expect(untilMs).toBeLessThanOrEqual(Math.ceil(share * 1.25));
      await untilProbe(breaker);
      breaker.admitProbe();
      breaker.probed('connect-refused');
    }
    expect(clock.now() - brokeAtMs).toBeGreaterThan(120_000);
  });

  it('ignores attempts that began before it closed last', async () => {
    const breaker = make();
    const startedAtMs = clock.now();
    records(breaker, 5, 'server-error');
    await untilProbe(breaker);
    breaker.admitProbe();
    breaker.probed('answered');
    for (let i = 0; i < 500; i++) breaker.onAttemptEnd('timeout', 0, undefined, startedAtMs, clock.now());
    expect(breaker.isClosed).toBe(true);
    for (let i = 0; i < 500; i++) breaker.onAttemptEnd('timeout', 0, undefined, clock.now(), clock.now());
    expect(breaker.isClosed).toBe(false);
  });
});
