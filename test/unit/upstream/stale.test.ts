// Requests that meet a connection which the instance had closed while it was idle.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { callUpstream, type Call } from '../../../src/resilience/call.ts';
import { UPSTREAM_DEFAULTS, type RetryOptions } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS, turns } from './fakes.ts';

let clock: FakeClock;
let network: FakeNetwork;
let upstream: Upstream;
let call: Call;

function open(retry: Partial<RetryOptions> = {}, minIdle = 0): void {
  const watch = new FakeWatch();
  const options = optionsWith({
    retry: { ...UPSTREAM_DEFAULTS.retry, ...retry },
    connect: { ...UPSTREAM_DEFAULTS.connect, minIdle },
  });
  upstream = new Upstream(
    { name: 'orders', key: ORDERS, options, isKnown: true },
    { clock, connect: network.connect, watch: watch.service },
  );
  call = callUpstream(upstream, { clock, deadlines: new DeadlineLists(clock) });
  watch.give([instance(1)]);
}

/** Sends a request whose first exchange on a used connection is reset; gives its status or code and how often it was sent. */
async function sendOnStale(method: string, content = '', requestSent = true): Promise<[number | string, number]> {
  network.onSent = (exchange) => exchange.answer();
  await call.handle(makeRequest('GET', Body.empty, clock.now()));
  await clock.advance(100);
  // Another connection has stayed open for longer: even what cannot be repeated may use the idle one.
  await call.handle(makeRequest('POST', Body.of(Buffer.from('x')), clock.now()));
  await turns();
  await clock.advance(3);
  const before = network.exchanges.length;
  network.onSent = (exchange) => {
    if (exchange.connection.used > 1) exchange.reset(requestSent);
    else exchange.answer();
  };
  const body = content === '' ? Body.empty : Body.of(Buffer.from(content));
  const result = call.handle(makeRequest(method, body, clock.now())).then(
    ({ status }) => status,
    (error: unknown) => (error as ProxyError).code,
  );
  await turns();
  await clock.advance(1_000);
  return [await result, network.exchanges.length - before];
}

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork(clock);
});

afterEach(async () => {
  upstream.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over'));
  await turns();
  expect(network.open.length).toBe(0);
});

describe('a request that meets a closed connection', () => {
  it('is sent again on a fresh one to the same instance, at once and without a retry', async () => {
    open();
    const before = clock.now();
    expect(await sendOnStale('GET')).toEqual([200, 2]);
    expect(call.budget.ratioLeft(before)).toBe(1);
    expect(upstream.outcomes).toMatchObject({ success: 3, reset: 0 });
    expect(upstream.load.stale).toBe(1);
    const [endpoint] = upstream.endpoints;
    expect(endpoint?.inFlight).toBe(0);
  });

  it('is sent again where the connection was made ahead and never used, too', async () => {
    open({}, 1);
    await clock.advance(1_000);
    expect(network.open).toHaveLength(1);
    network.onSent = (exchange) => {
      if (network.exchanges.length === 1) exchange.reset();
      else exchange.answer();
    };
    const answer = call.handle(makeRequest('GET', Body.empty, clock.now()));
    await turns();
    expect([(await answer).status, network.exchanges.length]).toEqual([200, 2]);
    expect(upstream.outcomes).toMatchObject({ success: 1, reset: 0 });
    expect(upstream.load.stale).toBe(1);
  });

  it('is a failed attempt where that ends only after the time of a round trip: the instance did something', async () => {
    open();
    network.onSent = (exchange) => exchange.answer();
    await call.handle(makeRequest('GET', Body.empty, clock.now()));
    network.onSent = (exchange) => {
      if (exchange.connection.used > 1) clock.setTimer(400, () => exchange.reset());
      else exchange.answer();
    };
    const answer = call.handle(makeRequest('GET', Body.empty, clock.now()));
    await turns();
    await clock.advance(400);
    expect((await answer).status).toBe(200);
    expect(network.exchanges).toHaveLength(3);
    expect(upstream.outcomes.reset).toBe(1);
    expect(upstream.load.stale).toBe(0);
    expect(call.budget.ratioLeft(clock.now())).toBeLessThan(1);
  });

  it('is a failed attempt where it has a body: the retry begins anew', async () => {
    open();
    expect(await sendOnStale('PUT', 'content')).toEqual([200, 2]);
    expect(upstream.outcomes.reset).toBe(1);
    expect(call.budget.ratioLeft(clock.now())).toBeLessThan(1);
  });

  it('fails where it may have been executed and must not be repeated', async () => {
    open();
    expect(await sendOnStale('POST', 'content')).toEqual(['PF_UPSTREAM_CLOSED', 1]);
  });

  it.each<[string, Partial<RetryOptions>, boolean]>([
    ['no retry is allowed', { attempts: 1 }, true],
    ['resets are not to be retried', { on: { ...UPSTREAM_DEFAULTS.retry.on, resetBeforeResponse: false } }, true],
    ['nothing that was not sent is to be retried', { on: { ...UPSTREAM_DEFAULTS.retry.on, connect: false } }, false],
  ])('fails where %s', async (_, retry, requestSent) => {
    open(retry);
    expect(await sendOnStale('GET', '', requestSent)).toEqual(['PF_UPSTREAM_CLOSED', 1]);
  });

  it('is aborted while it waits for the fresh connection', async () => {
    open();
    network.onSent = (exchange) => exchange.answer();
    await call.handle(makeRequest('GET', Body.empty, clock.now()));
    network.onSent = (exchange) => exchange.reset();
    network.isPatient = true;
    const request = makeRequest('GET', Body.empty, clock.now());
    const answer = call.handle(request);
    await turns();
    request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await expect(answer).rejects.toMatchObject({ code: 'PF_CLIENT_CLOSED' });
    network.isPatient = false;
    network.settleDials();
    const [endpoint] = upstream.endpoints;
    expect(endpoint?.inFlight).toBe(0);
    expect(upstream.outcomes.cancelled).toBe(1);
  });
});
