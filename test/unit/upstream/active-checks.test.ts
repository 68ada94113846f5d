// Active checks of endpoints, against real servers: who fails is picked last, and is back when it passes.
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeEndpoint } from '../../../src/upstream/describe.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import { HealthChecker } from '../../../src/upstream/health-checker.ts';
import { UPSTREAM_DEFAULTS, type CheckOptions } from '../../../src/upstream/options.ts';
import type { Outcome } from '../../../src/upstream/outcome.ts';
import { ProbeSlots } from '../../../src/upstream/probe-slots.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { startApp } from '../../support/apps.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/until.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS } from './fakes.ts';

const CHECK: CheckOptions = {
  probe: { kind: 'http', path: '/healthz' },
  intervalMs: 30,
  timeoutMs: 2_000,
  rise: 2,
  fall: 2,
};

/** Ejections that end by a check alone, as long as a test lasts. */
const LONG_EJECTIONS = { ...UPSTREAM_DEFAULTS.outlier, baseEjectionMs: 3_600_000, maxEjectionMs: 3_600_000 };

/** An upstream over real servers, each of which says by `statuses` whether it is well; those in `held` answer when told. */
async function open(size: number, health = CHECK) {
  const statuses = Array.from({ length: size }, () => 200);
  const held = new Map<number, (() => void)[]>();
  const apps = await Promise.all(
    statuses.map((_, index) =>
      startApp((_request, response) => {
        const answer = (): void => void response.writeHead(statuses[index] ?? 200).end();
        const waiting = held.get(index);
        if (waiting === undefined) answer();
        else waiting.push(answer);
      }),
    ),
  );
  const watch = new FakeWatch();
  const upstream = new Upstream(
    { name: 'orders', key: ORDERS, options: optionsWith({ health, outlier: LONG_EJECTIONS }), isKnown: true },
    { clock: systemClock, connect: new FakeNetwork(systemClock).connect, watch: watch.service },
  );
  onTestFinished(() => upstream.close());
  const list = apps.map(({ port }, index) => instance(index + 1, { host: '127.0.0.1', port }));
  watch.give(list);
  const endpoints = [...upstream.endpoints];
  const why = (index: number): string => {
    const endpoint = endpoints[index];
    return endpoint === undefined ? '' : describeEndpoint(upstream, endpoint, systemClock.now()).why;
  };
  const picked = (): Set<string> => {
    const ids = new Set<string>();
    for (let n = 0; n < 50; n++) {
      const result = upstream.picker.pick(makeRequest());
      if (result.kind === 'picked') ids.add(result.endpoint.id);
    }
    return ids;
  };
  return { apps, statuses, held, upstream, endpoints, watch, list, why, picked };
}

describe('an endpoint whose check fails', () => {
  it('is left out, says why and what would bring it back, and is back when it passes', async () => {
    const { statuses, why, picked, endpoints, upstream } = await open(3);
    statuses[0] = 500;
    await until('it is out', () => why(0).startsWith('unhealthy'));
    expect(why(0)).toMatch(
      /^unhealthy: its active check \(GET \/healthz\) fails: the health check answered 500; (one|2) passing checks? (in a row )?brings? it back$/,
    );
    expect(describeEndpoint(upstream, endpoints[0] ?? never(), 0).state).toBe('unhealthy');
    expect(picked()).toEqual(new Set(['orders-2', 'orders-3']));
    statuses[0] = 200;
    await until('it is back', () => why(0) === 'picked');
    expect(picked()).toEqual(new Set(['orders-1', 'orders-2', 'orders-3']));
  });

  it('is used where all fail', async () => {
    const { statuses, why, picked } = await open(2);
    statuses.fill(503);
    await until('both are out', () => why(0).startsWith('unhealthy') && why(1).startsWith('unhealthy'));
    expect(picked().size).toBe(2);
  });

  it('ends an ejection when it passes again', async () => {
    const { statuses, why, endpoints } = await open(3);
    const [endpoint = never()] = endpoints;
    await until('it was asked', () => endpoint.check?.checker.state === 'passing');
    fail(endpoint, 'gateway-error');
    expect(why(0)).toMatch(/^ejected/);
    statuses[0] = 500;
    await until('it is out', () => why(0).startsWith('unhealthy'));
    statuses[0] = 200;
    await until('it is back', () => why(0) === 'picked');
    expect(endpoint.outlier.isEjected).toBe(false);
  });

  it('is asked no more when it leaves, nor are others when all ends', async () => {
    const { apps, upstream, watch, list } = await open(2);
    await until('both were asked', () => apps.every(({ requests }) => requests.length > 1));
    watch.give(list.slice(1));
    await until('answers on their way came', () => new Promise((resolve) => setImmediate(() => resolve(true))));
    const before = apps[0]?.requests.length ?? 0;
    const others = apps[1]?.requests.length ?? 0;
    await until('the other is asked', () => (apps[1]?.requests.length ?? 0) > others + 5);
    expect(apps[0]?.requests.length).toBeLessThanOrEqual(before + 1);
    upstream.close();
  });
});

describe('an endpoint that is ejected by traffic while its check passes all along', () => {
  it('is back, on probation, with a check that began afterwards: not with one that was on its way', async () => {
    const { apps, held, endpoints, why } = await open(3);
    const [endpoint = never()] = endpoints;
    await until('it was asked', () => endpoint.check?.checker.state === 'passing');
    const waiting: (() => void)[] = [];
    held.set(0, waiting);
    await until('a check is on its way', () => waiting.length === 1);
    fail(endpoint, 'connect-failed');
    waiting[0]?.();
    await until('the next is on its way', () => waiting.length === 2);
    expect(endpoint.outlier.isEjectedFor('local-errors')).toBe(true);
    waiting[1]?.();
    await until('it is back', () => why(0) === 'picked');
    // Now it answers, but badly.
    fail(endpoint, 'gateway-error', 1);
    held.clear();
    waiting.slice(2).forEach((answer) => answer());
    const before = apps[0]?.requests.length ?? 0;
    await until('it was asked again', () => (apps[0]?.requests.length ?? 0) > before + 3);
    expect(endpoint.outlier.isEjected).toBe(true);
  });

  it('stays out for what its answers were judged by, of which a check says nothing', async () => {
    const { apps, endpoints, upstream } = await open(6);
    const [gateway = never(), mixed = never(), slow = never()] = endpoints;
    await until('all were asked', () => endpoints.every(({ check }) => check?.checker.state === 'passing'));
    fail(gateway, 'gateway-error');
    fail(mixed, 'gateway-error', 1);
    fail(mixed, 'connect-failed', 4);
    upstream.eject(slow, 'latency');
    const before = apps.map(({ requests }) => requests.length);
    await until('all were asked again', () => apps.every((app, n) => app.requests.length > (before[n] ?? 0) + 3));
    expect(endpoints.map(({ outlier }) => outlier.isEjected)).toEqual([true, true, true, false, false, false]);
  });

  it('as hung, is back when it answers a check, and not for an opened connection', async () => {
    for (const [probe, isBack] of [
      [CHECK.probe, true],
      [{ kind: 'tcp' }, false],
    ] as const) {
      const { apps, endpoints, upstream } = await open(3, { ...CHECK, probe });
      const [endpoint = never()] = endpoints;
      let checks = 0;
      apps[0]?.server.on('connection', () => checks++);
      await until('it was asked', () => endpoint.check?.checker.state === 'passing');
      upstream.onHung(endpoint);
      expect(endpoint.outlier.isEjectedFor('hung')).toBe(true);
      const before = checks;
      await until('it was asked again', () => checks > before + 3);
      expect(endpoint.outlier.isEjected).toBe(!isBack);
    }
  });
});

describe('the time between two checks', () => {
  it('is the interval while all is well, 200 ms while a change is counted, and the other one of a failing address', async () => {
    const clock = new FakeClock();
    const asked: number[] = [];
    const app = { failure: undefined as string | undefined };
    const options = { ...CHECK, host: '-', port: 0, intervalMs: 5_000, fall: 3, failingIntervalMs: 1_000 };
    const checker = new HealthChecker(
      clock,
      options,
      () => undefined,
      () => {
        asked.push(clock.now());
        return Promise.resolve(app.failure);
      },
    );
    checker.start();
    await clock.advance(11_500);
    app.failure = 'down';
    await clock.advance(10_000);
    checker.stop();
    const gaps = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
    const near = (gap: number | undefined, ms: number) =>
      expect(Math.abs((gap ?? 0) - ms)).toBeLessThanOrEqual(ms / 10);
    for (const [index, ms] of [5_000, 5_000, 5_000, 200, 200, 1_000, 1_000].entries()) near(gaps[index], ms);
    expect(new Set(gaps).size).toBe(gaps.length);
    expect(clock.timers).toBe(0);
  });
});

describe('slots for checks', () => {
  it('let so many run at once, the others in their order, and forget who gave up', async () => {
    const slots = new ProbeSlots(2);
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const give = new AbortController();
    const run = (n: number, signal = new AbortController().signal): Promise<void> =>
      slots.run(signal, () => {
        begun.push(n);
        return new Promise<void>((resolve) => ends.push(resolve));
      });
    const runs = [run(1), run(2), run(3, give.signal), run(4), run(5)];
    const gaveUp = expect(runs[2]).rejects.toThrow('stopped');
    give.abort(new Error('stopped'));
    await gaveUp;
    expect(begun).toEqual([1, 2]);
    ends.shift()?.();
    await until('the next runs', () => begun.length === 3);
    for (let n = 0; n < 3; n++) {
      await until('there is one to end', () => ends.length > 0);
      ends.shift()?.();
    }
    await Promise.all([runs[0], runs[1], runs[3], runs[4]]);
    expect(begun).toEqual([1, 2, 4, 5]);
    await slots.run(give.signal, () => Promise.resolve()).catch(() => undefined);
    await Promise.all([slots.run(new AbortController().signal, () => Promise.resolve())]);
  });
});

/** As many as eject it, unless said otherwise. */
function fail(endpoint: Endpoint, outcome: Outcome, times = 5): void {
  for (let n = 0; n < times; n++) endpoint.claim(systemClock.now()).settle(outcome, systemClock.now());
}

function never(): never {
  throw new Error('there is no endpoint');
}
