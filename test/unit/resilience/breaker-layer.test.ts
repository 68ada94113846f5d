import { beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { callUpstream, type Call } from '../../../src/resilience/call.ts';
import { UPSTREAM_DEFAULTS, type BreakerOptions, type UpstreamOptions } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS, turns } from '../upstream/fakes.ts';

let clock: FakeClock;
let network: FakeNetwork;
let call: Call;

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork(clock);
});

function open(breaker: Partial<BreakerOptions>, over: Partial<UpstreamOptions> = {}, copies = 2): void {
  const options = optionsWith({ ...over, breaker: { ...UPSTREAM_DEFAULTS.breaker, ...breaker } });
  const watch = new FakeWatch();
  const identity = { name: 'orders', key: ORDERS, options, isKnown: true };
  const upstream = new Upstream(identity, { clock, connect: network.connect, watch: watch.service });
  watch.give(Array.from({ length: copies }, (_, n) => instance(n + 1)));
  call = callUpstream(upstream, { clock, deadlines: new DeadlineLists(clock) });
}

/** Sends one request; gives its status, or the code of its error. */
async function send(method = 'GET', body?: Body): Promise<number | string> {
  const request = makeRequest(method, body, clock.now());
  const ended = call.handle(request).then(
    (response) => response.status,
    (error: unknown) => (error instanceof ProxyError ? error.code : 'bug'),
  );
  await turns();
  await clock.advance(100);
  return ended;
}

describe('a request that meets an open breaker', () => {
  it('is refused before anything is picked, until a probe succeeds', async () => {
    open({ consecutiveFailures: 3 });
    let status = 500;
    network.onSent = (exchange) => exchange.answer(status);
    expect([await send('POST'), await send('POST'), await send('POST'), await send('POST')]).toEqual([
      500,
      500,
      500,
      'PF_BREAKER_OPEN',
    ]);
    expect(network.exchanges).toHaveLength(3);
    status = 200;
    await clock.advance(400);
    expect([await send(), await send()]).toEqual([200, 200]);
    expect(call.breaker?.isClosed).toBe(true);
  });

  it('gets what its own attempt met, where that has opened it: nothing is tried again', async () => {
    open({ consecutiveFailures: 1 });
    network.onSent = (exchange) => {
      const { endpoint, requestSent } = { endpoint: exchange.connection.target.address, requestSent: true };
      exchange.cancel(new ProxyError('PF_UPSTREAM_PROTOCOL', 'garbage', { endpoint, requestSent }));
    };
    expect(await send('GET')).toBe('PF_UPSTREAM_PROTOCOL');
    expect(network.exchanges).toHaveLength(1);
    expect(call.budget.ratioLeft(clock.now())).toBe(1);
    expect(await send('GET')).toBe('PF_BREAKER_OPEN');
  });

  it('frees the place of the probe when its client goes away', async () => {
    open({ consecutiveFailures: 1 });
    network.onSent = (exchange) => exchange.answer(500);
    await send('POST');
    network.onSent = undefined;
    await clock.advance(400);
    const probe = makeRequest('GET', Body.empty, clock.now());
    const ended = call.handle(probe).catch((error: unknown) => error);
    await turns();
    expect(call.breaker?.describe(clock.now()).state).toBe('half-open');
    expect(await send()).toBe('PF_BREAKER_OPEN');
    probe.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    expect(await ended).toMatchObject({ code: 'PF_CLIENT_CLOSED' });
    network.onSent = (exchange) => exchange.answer(200);
    expect(await send()).toBe(200);
    expect(call.breaker?.isClosed).toBe(true);
  });
});

describe('what an upstream does', () => {
  it.each([
    ['answers 404', 404],
    ['answers 429', 429],
  ])('that %s does not open its breaker', async (_what, status) => {
    open({ consecutiveFailures: 1, minRequests: 5, errorRatio: 0.1 });
    network.onSent = (exchange) => exchange.answer(status);
    for (let i = 0; i < 20; i++) expect(await send()).toBe(status);
    expect(call.breaker?.isClosed).toBe(true);
  });

  it('when one of three copies refuses connections does not open its breaker: that copy is ejected', async () => {
    open({}, {}, 3);
    network.refusing.add('10.0.0.2:80');
    network.onSent = (exchange) => exchange.answer(200);
    for (let i = 0; i < 500; i++) expect(await send('POST')).toBe(200);
    expect(call.breaker?.isClosed).toBe(true);
  });

  it('within an answer counts, too', async () => {
    open({ minRequests: 10 });
    network.onSent = (exchange) => {
      exchange.begin(200, 10).push(Buffer.from('half'));
      exchange.reset();
    };
    for (let i = 0; i < 10; i++) await send('POST');
    expect(await send()).toBe('PF_BREAKER_OPEN');
  });

  it('is not judged where configuration has no breaker', async () => {
    open({ enabled: false, consecutiveFailures: 1 });
    network.onSent = (exchange) => exchange.answer(500);
    for (let i = 0; i < 20; i++) expect(await send('POST')).toBe(500);
    expect(call.breaker).toBeUndefined();
  });
});
