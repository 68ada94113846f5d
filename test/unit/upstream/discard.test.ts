// Answers that nobody is given.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import type { Handler, ProxyRequest } from '../../../src/http/message.ts';
import { callUpstream } from '../../../src/resilience/call.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS, turns } from './fakes.ts';

const A = '10.0.0.1:80';

let clock: FakeClock;
let network: FakeNetwork;
let upstream: Upstream;
let handle: Handler;

function open(size: number): void {
  const watch = new FakeWatch();
  const identity = { name: 'orders', key: ORDERS, options: optionsWith({}), isKnown: true };
  upstream = new Upstream(identity, { clock, connect: network.connect, watch: watch.service });
  handle = callUpstream(upstream, { clock, deadlines: new DeadlineLists(clock) }).handle;
  watch.give(Array.from({ length: size }, (_, n) => instance(n + 1)));
}

function send(): { readonly request: ProxyRequest; readonly result: Promise<number | string> } {
  const request = makeRequest('GET', Body.empty, clock.now());
  const result = handle(request).then(
    ({ status }) => status,
    (error: unknown) => (error as ProxyError).code,
  );
  return { request, result };
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

describe('an answer that is tried again elsewhere', () => {
  it('is given up after a second where it does not end, and held against its endpoint', async () => {
    open(2);
    network.onSent = (exchange) => {
      if (exchange.connection.target.address === A) exchange.begin(503);
      else exchange.answer();
    };
    const sent = Array.from({ length: 20 }, () => send().result);
    expect(await Promise.all(sent)).toEqual(sent.map(() => 200));
    const [endpoint] = upstream.endpoints;
    expect(endpoint?.inFlight).toBeGreaterThan(4);
    await clock.advance(1_000);
    expect(endpoint?.inFlight).toBe(0);
    expect(endpoint?.outlier.isEjected).toBe(true);
    expect(endpoint?.pool.describe().open).toBe(0);
  });

  it('keeps its connection, and leaves no timer, where it ends within that time', async () => {
    open(2);
    const begun: Body[] = [];
    network.onSent = (exchange) => {
      if (exchange.connection.target.address !== A) exchange.answer();
      else begun.push(exchange.begin(503));
    };
    while (begun.length === 0) expect(await send().result).toBe(200);
    await clock.advance(900);
    const exchange = network.exchanges.find(({ connection }) => connection.target.address === A);
    begun[0]?.end(undefined);
    exchange?.finish();
    await clock.advance(1_000);
    expect(exchange?.connection.isOpen).toBe(true);
    upstream.close();
    await clock.advance(20_000);
    expect(clock.timers).toBe(0);
  });

  it.each(['ends', 'takes too long'])('%s while the retry waits: that can still be aborted', async (how) => {
    open(1);
    network.onSent = undefined;
    const { request, result } = send();
    await turns();
    const [exchange] = network.exchanges;
    const body = exchange?.begin(503, undefined, [['Retry-After', '10']]);
    await turns();
    if (how === 'ends') {
      body?.end(undefined);
      exchange?.finish();
    }
    await clock.advance(1_500);
    let ended: number | string | undefined;
    void result.then((code) => (ended = code));
    request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await turns();
    expect(ended).toBe('PF_CLIENT_CLOSED');
    expect(network.exchanges).toHaveLength(1);
  });
});
