import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import type { Handler, ProxyRequest, ProxyResponse } from '../../../src/http/message.ts';
import { RegistryError } from '../../../src/registry/types.ts';
import { callUpstream } from '../../../src/resilience/call.ts';
import { describeEndpoint } from '../../../src/upstream/describe.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS, turns } from './fakes.ts';
import type { FakeExchange } from './fakes.ts';

let clock: FakeClock;
let network: FakeNetwork;
let watch: FakeWatch;
let upstream: Upstream;
let handle: Handler;

function open(options: Partial<UpstreamOptions> = {}, isKnown = true): void {
  const identity = { name: 'orders', key: ORDERS, options: optionsWith(options), isKnown };
  upstream = new Upstream(identity, { clock, connect: network.connect, watch: watch.service });
  handle = callUpstream(upstream, { clock, deadlines: new DeadlineLists(clock) }).handle;
}

/** What became of a request: a status, or the code of its error; undefined while it runs. */
interface Sent {
  readonly request: ProxyRequest;
  result: number | string | undefined;
  response: ProxyResponse | undefined;
  error: unknown;
}

function send(method = 'GET', body?: Body): Sent {
  const request = makeRequest(method, body, clock.now());
  const sent: Sent = { request, result: undefined, response: undefined, error: undefined };
  handle(request).then(
    (response) => {
      sent.result = response.status;
      sent.response = response;
    },
    (error: unknown) => {
      sent.error = error;
      sent.result = error instanceof ProxyError ? error.code : 'bug';
    },
  );
  return sent;
}

async function sendAndSettle(method = 'GET', body?: Body): Promise<Sent> {
  const sent = send(method, body);
  await turns();
  return sent;
}

function last(): FakeExchange {
  const exchange = network.exchanges.at(-1);
  if (exchange === undefined) throw new Error('nothing was sent');
  return exchange;
}

function addressesPicked(): string[] {
  return network.exchanges.map((exchange) => exchange.connection.target.address);
}

function why(id: string): string {
  for (const endpoint of [...upstream.endpoints, ...upstream.drainingEndpoints]) {
    if (endpoint.id === id) return describeEndpoint(upstream, endpoint, clock.now()).why;
  }
  return 'not there';
}

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork(clock);
  watch = new FakeWatch();
});

afterEach(async () => {
  upstream.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over'));
  await turns();
  expect(network.open.length).toBe(0);
});

describe('before the first list', () => {
  it('lets requests wait and go when it comes', async () => {
    open();
    const sent = send();
    await clock.advance(900);
    expect(sent.result).toBeUndefined();
    watch.give([instance(1)]);
    await turns();
    last().answer();
    await turns();
    expect(sent.result).toBe(200);
    expect(sent.request.pickedAtMs - sent.request.receivedAtMs).toBe(900);
  });

  it('fails them after a second with PF_NO_ENDPOINT, and later ones at once', async () => {
    open({}, false);
    const first = send();
    await clock.advance(1_000);
    expect(first.result).toBe('PF_NO_ENDPOINT');
    expect((await sendAndSettle()).result).toBe('PF_NO_ENDPOINT');
    watch.give([instance(1)]);
    const second = await sendAndSettle();
    last().answer();
    await turns();
    expect(second.result).toBe(200);
  });

  it('forgets a request whose client went away meanwhile', async () => {
    open();
    const sent = send();
    sent.request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await turns();
    expect(sent.result).toBe('PF_CLIENT_CLOSED');
    watch.give([instance(1)]);
    await turns();
    expect(network.exchanges).toHaveLength(0);
    expect(upstream.inFlight).toBe(0);
  });

  it('does not let more than 4,096 wait', async () => {
    open();
    const sent = Array.from({ length: 4_097 }, () => send());
    await turns();
    expect(sent.map(({ result }) => result).filter(Boolean)).toEqual(['PF_OVERFLOW']);
  });
});

describe('without an instance', () => {
  it('answers PF_NO_ROUTE for a service that the registry has never named', async () => {
    open({}, false);
    watch.give([]);
    expect((await sendAndSettle()).result).toBe('PF_NO_ROUTE');
  });

  it('answers PF_NO_ENDPOINT for one that it has named before, or that the configuration names', async () => {
    open({}, false);
    watch.give([instance(1)]);
    watch.give([]);
    expect((await sendAndSettle()).result).toBe('PF_NO_ENDPOINT');
    upstream.close();
    open({}, true);
    watch.give([]);
    expect((await sendAndSettle()).result).toBe('PF_NO_ENDPOINT');
  });

  it('never says PF_NO_ROUTE while the registry cannot be heard', async () => {
    open({}, false);
    watch.give([]);
    watch.state('stale');
    expect((await sendAndSettle()).result).toBe('PF_NO_ENDPOINT');
  });

  it('tells with it what keeps the registry from being heard', async () => {
    open({}, false);
    watch.lastError = new RegistryError('unavailable', 'nobody answers');
    const first = send();
    await clock.advance(1_000);
    expect(first.error).toMatchObject({ code: 'PF_NO_ENDPOINT', cause: watch.lastError });
  });

  it('does not pick what takes no traffic, and says why', async () => {
    open();
    watch.give([instance(1, { weight: 0 }), instance(2, { enabled: false }), instance(4, { protocol: 'tcp' })]);
    expect((await sendAndSettle()).result).toBe('PF_NO_ENDPOINT');
    expect(['orders-1', 'orders-2', 'orders-4'].map(why)).toEqual([
      'weight 0: takes no new traffic',
      'disabled in the registry',
      'protocol tcp is not supported',
    ]);
  });

  it('does not pick what the registry calls critical, unless nobody else is there: then it says so', async () => {
    open();
    watch.give([instance(1), instance(2, { health: 'critical' })]);
    for (let i = 0; i < 20; i++) await sendAndSettle();
    expect(new Set(addressesPicked())).toEqual(new Set(['10.0.0.1:80']));
    expect([why('orders-1'), why('orders-2')]).toEqual(['picked', 'the registry says: critical']);
    expect(upstream.picking.panic).toBe('none');
    watch.give([instance(2, { health: 'critical' })]);
    await sendAndSettle();
    expect(addressesPicked().at(-1)).toBe('10.0.0.2:80');
    expect(why('orders-2')).toBe('the registry says: critical; used all the same, since too few others can be');
    expect(upstream.picking.panic).toBe('all');
  });
});

describe('an update of the list', () => {
  it('keeps connections, counters and ejection of endpoints that stay', async () => {
    open();
    watch.give([instance(1)]);
    await sendAndSettle();
    last().answer();
    const [before] = upstream.endpoints;
    watch.give([instance(1, { weight: 50, metadata: { version: '2' } }), instance(2)]);
    expect([...upstream.endpoints][0]).toBe(before);
    expect(before?.instance.weight).toBe(50);
    expect(before?.outcomes.success).toBe(1);
    expect(network.open).toHaveLength(1);
  });

  it('lets a removed endpoint finish its in-flight answer, then closes its pool', async () => {
    open();
    watch.give([instance(1)]);
    const sent = await sendAndSettle();
    const body = last().begin();
    await turns();
    watch.give([instance(2)]);
    expect(sent.result).toBe(200);
    expect(why('orders-1')).toBe('draining: left the registry');
    expect(network.open).toHaveLength(1);
    body.end(undefined);
    last().finish();
    expect(network.open).toHaveLength(0);
    expect(why('orders-1')).toBe('not there');
  });

  it('takes another address or protocol for another endpoint', async () => {
    open();
    watch.give([instance(1)]);
    const [before] = upstream.endpoints;
    watch.give([instance(1, { port: 81 })]);
    const [after] = upstream.endpoints;
    expect(after).not.toBe(before);
    expect(before?.isDraining).toBe(true);
  });

  it('picks suspects, flapping and leaving ones only when there is nobody else', async () => {
    open();
    watch.give([instance(1), instance(2), instance(3), instance(4), instance(5, { leaving: true })], {
      suspects: ['orders-3'],
      flapping: ['orders-4'],
    });
    for (let i = 0; i < 40; i++) await sendAndSettle();
    expect(new Set(addressesPicked())).toEqual(new Set(['10.0.0.1:80', '10.0.0.2:80']));
    expect(upstream.picking.panic).toBe('none');
    watch.give([instance(5, { leaving: true })]);
    await sendAndSettle();
    expect(addressesPicked().at(-1)).toBe('10.0.0.5:80');
  });

  it('uses suspects like the others once they are more than those, and says so', async () => {
    open();
    watch.give([instance(1), instance(2), instance(3)], { suspects: ['orders-2', 'orders-3'] });
    for (let i = 0; i < 40; i++) await sendAndSettle();
    expect(new Set(addressesPicked()).size).toBe(3);
    expect(upstream.picking.panic).toBe('doubted');
  });

  it('probes suspects, and reports those that cannot be connected to', async () => {
    open();
    network.refusing.add('10.0.0.2:80');
    watch.give([instance(1), instance(2), instance(3)], { suspects: ['orders-2', 'orders-3'] });
    await clock.advance(5_000);
    expect(watch.failedProbes).toEqual(['orders-2']);
    expect(network.dials).toBeGreaterThan(4);
    watch.give([instance(1), instance(3)]);
    const { dials } = network;
    await clock.advance(10_000);
    expect(network.dials).toBe(dials);
  });
});

describe('suspects that fail by traffic', () => {
  const suspects = ['orders-1', 'orders-2', 'orders-3'];

  beforeEach(() => {
    open();
    watch.give([instance(1), instance(2), instance(3)], { suspects });
  });

  it('stay where they live: all of them overloaded, none is reported', async () => {
    network.onSent = (exchange) => exchange.answer(503);
    for (let i = 0; i < 60; i++) await sendAndSettle('POST', Body.of(Buffer.from('x')));
    expect([...upstream.endpoints].filter(({ outlier }) => outlier.isEjected)).toHaveLength(2);
    await clock.advance(5_000);
    expect(watch.failedProbes).toEqual([]);
  });

  it('are probed at once, and reported when that fails', async () => {
    await turns();
    network.refusing.add('10.0.0.1:80');
    const { dials } = network;
    const [endpoint] = upstream.endpoints;
    for (let i = 0; i < 5; i++) endpoint?.claim(clock.now()).settle('reset', clock.now());
    expect(network.dials).toBe(dials + 1);
    await clock.advance(1_200);
    expect(watch.failedProbes).toEqual(['orders-1']);
  });

  it('have one probe on its way at most', async () => {
    await turns();
    network.isPatient = true;
    const { dials } = network;
    // Two may be ejected: the third one fails again and again.
    for (const endpoint of upstream.endpoints)
      for (let i = 0; i < 20; i++) endpoint.claim(clock.now()).settle('gateway-error', clock.now());
    await clock.advance(3_000);
    expect(network.dials).toBe(dials + 3);
    network.settleDials();
  });

  it('are not reported while this process has no descriptor left, which says nothing of them', async () => {
    await turns();
    network.isExhausted = true;
    await clock.advance(10_000);
    expect(watch.failedProbes).toEqual([]);
    network.isExhausted = false;
    network.refusing.add('10.0.0.2:80');
    await clock.advance(2_400);
    expect(watch.failedProbes).toEqual(['orders-2']);
  });

  it('are reported at once where another service answers there', () => {
    for (const endpoint of upstream.endpoints) upstream.eject(endpoint, 'misdirected');
    expect(watch.failedProbes).toEqual(suspects);
  });
});

describe('an endpoint that refuses connections', () => {
  beforeEach(() => {
    open();
    watch.give([instance(1), instance(2), instance(3)]);
    network.refusing.add('10.0.0.1:80');
    network.onSent = (exchange) => exchange.answer();
  });

  it('loses no request, POST included, and is ejected after five failures', async () => {
    const sent = [];
    for (let i = 0; i < 60; i++) sent.push(await sendAndSettle(i % 2 ? 'POST' : 'GET', Body.of(Buffer.from('x'))));
    expect(sent.map(({ result }) => result)).toEqual(sent.map(() => 200));
    expect(upstream.outcomes['connect-failed']).toBe(5);
    expect(why('orders-1')).toMatch(
      /^ejected for \d\.\d s more, after 5 consecutive failures without a valid answer; picked last$/,
    );
  });

  it('stays out while no connection can be opened, which is tried every five seconds', async () => {
    for (let i = 0; i < 60; i++) await sendAndSettle();
    const [endpoint] = upstream.endpoints;
    const before = network.dials;
    for (let round = 1; round <= 3; round++) {
      await clock.advance(5_010);
      expect(network.dials).toBe(before + round);
      expect(endpoint?.outlier.isEjected).toBe(true);
    }
    expect(endpoint?.outlier.ejections).toBe(1);
    network.refusing.clear();
    await clock.advance(5_010);
    expect(endpoint?.outlier.isEjected).toBe(false);
    for (let i = 0; i < 30; i++) await sendAndSettle();
    expect(addressesPicked().slice(-30)).toContain('10.0.0.1:80');
  });

  it('is tried again soon where this process had no descriptor left, which says nothing of it', async () => {
    for (let i = 0; i < 60; i++) await sendAndSettle();
    const [endpoint] = upstream.endpoints;
    network.isExhausted = true;
    await clock.advance(5_010);
    expect([endpoint?.outlier.isEjected, endpoint?.pool.isRefused]).toEqual([true, true]);
    network.isExhausted = false;
    network.refusing.clear();
    await clock.advance(1_010);
    expect(endpoint?.outlier.isEjected).toBe(false);
  });

  it('is out again at the first failure after it was let back in', async () => {
    for (let i = 0; i < 60; i++) await sendAndSettle();
    network.refusing.clear();
    await clock.advance(5_100);
    const [endpoint] = upstream.endpoints;
    expect(endpoint?.outlier.isEjected).toBe(false);
    network.onSent = (exchange) => {
      if (exchange.connection.target.address === '10.0.0.1:80') exchange.reset();
      else exchange.answer();
    };
    for (let i = 0; i < 30; i++) expect((await sendAndSettle()).result).toBe(200);
    expect(endpoint?.outlier.ejections).toBe(2);
    expect(endpoint?.outcomes.reset).toBe(1);
  });

  it('is let back in when the others leave', async () => {
    for (let i = 0; i < 60; i++) await sendAndSettle();
    watch.give([instance(1)]);
    expect(why('orders-1')).toBe('picked');
  });
});

describe('endpoints that refuse connections, more of them than may be ejected', () => {
  const ejected = () => [...upstream.endpoints].filter(({ outlier }) => outlier.isEjected);

  beforeEach(() => {
    open();
    watch.give([instance(1), instance(2), instance(3), instance(4)]);
    for (const n of [1, 2, 3]) network.refusing.add(`10.0.0.${n}:80`);
    network.onSent = (exchange) => exchange.answer();
  });

  it('are all out, so that whoever is left gets everything', async () => {
    for (let i = 0; i < 40; i++) await sendAndSettle('POST', Body.of(Buffer.from('x')));
    expect(ejected()).toHaveLength(3);
    const sent = [];
    for (let i = 0; i < 40; i++) sent.push(await sendAndSettle('POST', Body.of(Buffer.from('x'))));
    expect(sent.map(({ result, request }) => [result, request.attempts.length])).toEqual(sent.map(() => [200, 1]));
  });

  it('leave others the room that they would have without them', async () => {
    network.refusing.delete('10.0.0.3:80');
    network.onSent = (exchange) => exchange.answer(exchange.connection.target.address === '10.0.0.3:80' ? 503 : 200);
    for (let i = 0; i < 60; i++) await sendAndSettle();
    expect(ejected().map(({ id }) => id)).toEqual(['orders-1', 'orders-2', 'orders-3']);
  });

  it('are never all out, also where only they are left in the list', async () => {
    network.refusing.add('10.0.0.4:80');
    for (let i = 0; i < 60; i++) await sendAndSettle();
    expect(ejected()).toHaveLength(3);
    watch.give(ejected().map(({ instance: record }) => record));
    expect(ejected()).toHaveLength(2);
  });
});

describe('all endpoints refusing connections', () => {
  /** All of them fail for three seconds. @returns the one that is not ejected. */
  async function fail(): Promise<Endpoint> {
    open();
    watch.give([instance(1), instance(2), instance(3)]);
    for (const n of [1, 2, 3]) network.refusing.add(`10.0.0.${n}:80`);
    network.onSent = (exchange) => exchange.answer();
    for (let i = 0; i < 60; i++) {
      await sendAndSettle();
      await clock.advance(50);
    }
    const [left, ...others] = [...upstream.endpoints].filter(({ outlier }) => !outlier.isEjected);
    if (left === undefined || others.length > 0) throw new Error('not all but one are ejected');
    return left;
  }

  it('are back within half a second, whoever of them comes first', async () => {
    const left = await fail();
    for (const { address } of upstream.endpoints) if (address !== left.address) network.refusing.delete(address);
    await clock.advance(500);
    await turns();
    expect([...upstream.endpoints].filter(({ outlier }) => outlier.isEjected)).toEqual([left]);
    const sent = [];
    for (let i = 0; i < 10; i++) sent.push(await sendAndSettle('POST', Body.of(Buffer.from('x'))));
    expect(sent.map(({ result, request }) => [result, request.attempts.length])).toEqual(sent.map(() => [200, 1]));
  });

  it('are tried ever more seldom while nobody comes, and no longer once one is well', async () => {
    const left = await fail();
    await clock.advance(60_000);
    const before = network.dials;
    await clock.advance(60_000);
    expect(network.dials - before).toBeLessThanOrEqual(60);
    network.refusing.delete(left.address);
    expect((await sendAndSettle()).result).toBe(200);
    await clock.advance(5_000);
    const after = network.dials;
    await clock.advance(4_900);
    expect(network.dials - after).toBeLessThanOrEqual(2);
  });

  it('hold nothing against the one that failed for all of them', async () => {
    const left = await fail();
    network.refusing.delete(left.address);
    for (let i = 0; i < 40; i++) expect((await sendAndSettle()).result).toBe(200);
    network.refusing.clear();
    await clock.advance(5_100);
    for (let i = 0; i < 200; i++) await sendAndSettle();
    await clock.advance(10_000);
    expect([...upstream.endpoints].filter(({ outlier }) => outlier.isEjected)).toEqual([]);
    expect(left.outlier.ejections).toBe(0);
  });
});

describe('all endpoints failing', () => {
  it('never ejects the last one', async () => {
    open();
    watch.give([instance(1), instance(2), instance(3)]);
    network.onSent = (exchange) => exchange.answer(503);
    for (let i = 0; i < 100; i++) await sendAndSettle('POST', Body.of(Buffer.from('x')));
    const ejected = [...upstream.endpoints].filter((endpoint) => endpoint.outlier.isEjected);
    expect(ejected).toHaveLength(2);
  });

  it('for a while ends the retries, until one of them answers', async () => {
    open();
    watch.give([instance(1), instance(2), instance(3)]);
    for (const n of [1, 2, 3]) network.refusing.add(`10.0.0.${n}:80`);
    for (let i = 0; i < 20; i++) {
      await sendAndSettle();
      await clock.advance(101);
    }
    const { request } = await sendAndSettle();
    expect(request.attempts).toHaveLength(1);
    network.refusing.clear();
    network.onSent = (exchange) => exchange.answer();
    expect((await sendAndSettle()).result).toBe(200);
    network.onSent = (exchange) => exchange.reset();
    expect((await sendAndSettle()).request.attempts.length).toBeGreaterThan(1);
  });

  it('in one moment does not: that may be our own stalled loop', async () => {
    open();
    watch.give([instance(1)]);
    network.refusing.add('10.0.0.1:80');
    const sent = [];
    for (let i = 0; i < 20; i++) sent.push(await sendAndSettle());
    await clock.advance(30);
    expect(sent.map(({ request }) => request.attempts.length)).toEqual(sent.map(() => 3));
  });
});

describe('what an attempt tells the next sidecar', () => {
  const told = (request: ProxyRequest): (string | undefined)[] =>
    ['x-pilotfish-to', 'x-request-attempt', 'x-request-timeout-ms'].map((name) => request.headers.get(name));

  beforeEach(() => {
    open();
    watch.give([instance(1), instance(2)]);
  });

  it('is for whom it is, which try, and for how long an answer is of use', async () => {
    const { request } = await sendAndSettle();
    expect(told(request)).toEqual(['orders', '1', '5000']);
    last().reset();
    await turns();
    expect(told(request)).toEqual(['orders', '2', '5000']);
  });

  it('is what is left of the time of the request, where that is less', async () => {
    const request = makeRequest('GET', Body.empty, clock.now());
    request.headers.append('X-Request-Timeout-Ms', '1024');
    request.headers.append('X-Request-Attempt', '4');
    const ended = handle(request).catch(() => undefined);
    await turns();
    expect(told(request)).toEqual(['orders', '4', '1024']);
    await clock.advance(100);
    last().reset(false);
    await turns();
    expect(told(request)).toEqual(['orders', '4', '924']);
    last().answer();
    await ended;
  });
});

describe('a claim', () => {
  beforeEach(() => {
    open();
    watch.give([instance(1)]);
  });

  it('ends when the answer has ended, not with its head', async () => {
    await sendAndSettle();
    const body = last().begin();
    await turns();
    expect(upstream.inFlight).toBe(1);
    body.end(undefined);
    last().finish();
    expect(upstream.inFlight).toBe(0);
    expect(upstream.outcomes.success).toBe(1);
  });

  it('is held against nobody when the client goes away', async () => {
    for (let i = 0; i < 10; i++) {
      const sent = await sendAndSettle();
      sent.request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
      await turns();
      expect(sent.result).toBe('PF_CLIENT_CLOSED');
    }
    expect(upstream.outcomes).toMatchObject({ cancelled: 10, reset: 0, timeout: 0 });
    expect(upstream.inFlight).toBe(0);
    expect(network.open).toHaveLength(0);
    const [endpoint] = upstream.endpoints;
    expect(endpoint?.outlier.consecutiveFailures).toBe(0);
  });

  it('can be given up while its connection is being made', async () => {
    network.isPatient = true;
    const sent = await sendAndSettle();
    sent.request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await turns();
    expect(sent.result).toBe('PF_CLIENT_CLOSED');
    network.settleDials();
    expect(network.exchanges).toHaveLength(0);
    expect(upstream.inFlight).toBe(0);
  });

  it('stops the answer when the client goes away within it', async () => {
    const sent = await sendAndSettle();
    last().begin();
    await turns();
    sent.request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    expect(network.open).toHaveLength(0);
    expect(upstream.outcomes.cancelled).toBe(1);
  });
});

describe('a POST on a connection that was used before', () => {
  // The first connection shows for how long this instance keeps one; the second is then used again.
  beforeEach(async () => {
    open();
    watch.give([instance(1)]);
    await sendAndSettle();
    last().answer();
    await clock.advance(1_000);
    await sendAndSettle('POST', Body.of(Buffer.from('x')));
    last().answer();
  });

  it('is not sent where the end of the connection comes in the same turn of the loop', async () => {
    const [, used] = network.connections;
    const sent = send('POST', Body.of(Buffer.from('x')));
    used?.shut();
    await turns();
    expect(last().connection).not.toBe(used);
    last().answer();
    await turns();
    expect(sent.result).toBe(200);
    expect(sent.request.attempts).toHaveLength(1);
  });

  it('is sent on it otherwise', async () => {
    await sendAndSettle('POST', Body.of(Buffer.from('x')));
    expect(network.connections).toHaveLength(2);
    expect(last().connection.used).toBe(2);
  });

  it('is never sent where the client goes away before', async () => {
    const sent = send('POST', Body.of(Buffer.from('x')));
    sent.request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await turns();
    expect(sent.result).toBe('PF_CLIENT_CLOSED');
    expect(network.exchanges).toHaveLength(2);
    const [endpoint] = upstream.endpoints;
    expect(endpoint?.pool.describe()).toMatchObject({ open: 1, idle: 1 });
  });
});

describe('the limits of an upstream', () => {
  const none = UPSTREAM_DEFAULTS.limits;

  it('refuse requests beyond those that may be under way, at once, and only then', async () => {
    open({ limits: { ...none, requests: 1 } });
    watch.give([instance(1)]);
    const first = await sendAndSettle();
    expect((await sendAndSettle()).result).toBe('PF_OVERFLOW');
    last().answer();
    await turns();
    expect(first.result).toBe(200);
    const third = await sendAndSettle();
    last().answer();
    await turns();
    expect(third.result).toBe(200);
    expect([upstream.load.requests, upstream.load.overflows.requests]).toEqual([0, 1]);
  });

  it('let nothing be tried again beyond the retries that may be under way: the answer is what the attempt met', async () => {
    open({ limits: { ...none, retries: 0 } });
    watch.give([instance(1)]);
    const sent = await sendAndSettle();
    last().reset();
    await turns();
    expect(sent.result).toBe('PF_UPSTREAM_CLOSED');
    expect([network.exchanges.length, upstream.load.retries, upstream.load.requests]).toEqual([1, 0, 0]);
    expect(upstream.load.overflows.retries).toBe(1);
  });

  it('count retries while they are under way', async () => {
    open({ limits: { ...none, retries: 1 } });
    watch.give([instance(1), instance(2)]);
    const first = await sendAndSettle();
    last().reset();
    await turns();
    const second = await sendAndSettle();
    last().reset();
    await turns();
    expect([first.result, second.result, upstream.load.retries]).toEqual([undefined, 'PF_UPSTREAM_CLOSED', 1]);
    const retried = network.exchanges[1];
    retried?.answer();
    await turns();
    expect([first.result, upstream.load.retries]).toEqual([200, 0]);
  });

  it('hold for those that waited for the first list as well', async () => {
    open({ limits: { ...none, requests: 1 } });
    const sent = [send(), send()];
    await turns();
    watch.give([instance(1)]);
    await turns();
    last().answer();
    await turns();
    expect(sent.map(({ result }) => result)).toEqual([200, 'PF_OVERFLOW']);
    expect([upstream.load.requests, upstream.load.pending]).toEqual([0, 0]);
  });

  it('bound the queue for the first list', async () => {
    open({ limits: { ...none, pending: 1 } });
    const first = send();
    expect((await sendAndSettle()).result).toBe('PF_OVERFLOW');
    watch.give([instance(1)]);
    await turns();
    last().answer();
    await turns();
    expect([first.result, upstream.load.pending]).toEqual([200, 0]);
  });
});

describe('two attempts at once', () => {
  it('stops the one at work when the client goes away, also after the one before it has ended', async () => {
    open();
    watch.give([instance(1), instance(2)]);
    const sent = await sendAndSettle();
    const first = last();
    const unwanted = first.begin(503);
    await turns();
    expect(network.exchanges).toHaveLength(2);
    unwanted.end(undefined);
    first.finish();
    sent.request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await turns();
    expect(sent.result).toBe('PF_CLIENT_CLOSED');
    expect(upstream.inFlight).toBe(0);
    expect(upstream.outcomes).toMatchObject({ 'gateway-error': 1, cancelled: 1 });
  });
});

describe('a process that was replaced', () => {
  it('begins anew under its old id and address', async () => {
    open();
    watch.give([instance(1, { owner: 'a' }), instance(2)]);
    const [endpoint] = upstream.endpoints;
    for (let i = 0; i < 5; i++) endpoint?.claim(clock.now()).settle('reset', clock.now());
    expect(endpoint?.outlier.isEjected).toBe(true);
    watch.give([instance(1, { owner: 'b' }), instance(2)]);
    expect([...upstream.endpoints][0]).toBe(endpoint);
    expect(why('orders-1')).toBe('picked');
    expect(endpoint?.outlier.consecutiveFailures).toBe(0);
  });
});

describe('deadlines', () => {
  it('ends an attempt without an answer and tries another endpoint, idempotent methods only', async () => {
    open({ timeout: { ...UPSTREAM_DEFAULTS.timeout, hang: 'off' } });
    watch.give([instance(1), instance(2)]);
    const get = await sendAndSettle();
    const post = await sendAndSettle('POST', Body.of(Buffer.from('x')));
    await clock.advance(5_400);
    expect(post.result).toBe('PF_TIMEOUT');
    expect(post.error).toMatchObject({ requestSent: true, status: 504 });
    expect(get.request.attempts.map(({ result }) => result)).toEqual(['PF_TIMEOUT', undefined]);
    expect(get.request.attempts[0]?.endpoint).not.toBe(get.request.attempts[1]?.endpoint);
    last().answer();
    await turns();
    expect(get.result).toBe(200);
    expect(upstream.outcomes.timeout).toBe(2);
  });

  it('ends a request at its own deadline, whatever its attempts', async () => {
    open({ timeout: { ...UPSTREAM_DEFAULTS.timeout, hang: 'off', requestMs: 8_000 } });
    watch.give([instance(1), instance(2)]);
    const sent = await sendAndSettle();
    await clock.advance(8_500);
    expect(sent.result).toBe('PF_TIMEOUT');
    expect(sent.request.attempts).toHaveLength(2);
    // Five seconds were the first one's, three the second one's.
    expect(upstream.outcomes).toMatchObject({ timeout: 1, cancelled: 1 });
  });

  /** Both copies leave requests of such a caller unanswered; gives what became of so many. */
  async function sendWithin(timeout: readonly [string, string], count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      const request = makeRequest('GET', Body.empty, clock.now());
      request.headers.append(...timeout);
      handle(request).catch(() => undefined);
      await turns();
      await clock.advance(1_200);
    }
  }

  it('holds a deadline of the caller against the endpoint that had most of that time', async () => {
    open({ timeout: { ...UPSTREAM_DEFAULTS.timeout, hang: 'off' } });
    watch.give([instance(1), instance(2)]);
    await sendWithin(['grpc-timeout', '1S'], 20);
    expect(upstream.outcomes).toMatchObject({ timeout: 20, cancelled: 0 });
    expect([...upstream.endpoints].filter(({ outlier }) => outlier.isEjected)).toHaveLength(1);
  });

  it('holds a deadline that is shorter than answers take against nobody', async () => {
    open({ timeout: { ...UPSTREAM_DEFAULTS.timeout, hang: 4_000 } });
    watch.give([instance(1), instance(2)]);
    await sendWithin(['x-request-timeout-ms', '1'], 20);
    network.onSent = (exchange) => void clock.setTimer(600, () => exchange.answer());
    for (let count = 0; count < 32; count++) send();
    await turns();
    await clock.advance(600);
    network.onSent = undefined;
    await sendWithin(['x-request-timeout-ms', '500'], 20);
    expect(upstream.outcomes).toMatchObject({ success: 32, timeout: 0, cancelled: 40 });
    await sendWithin(['grpc-timeout', '1S'], 1);
    expect(upstream.outcomes.timeout).toBe(1);
  });

  it('leaves no deadline behind', async () => {
    open();
    watch.give([instance(1)]);
    network.onSent = (exchange) => exchange.answer();
    await sendAndSettle();
    await clock.advance(20_000);
    expect(clock.timers).toBe(0);
  });

  it('does not end an answer whose head has come', async () => {
    open();
    watch.give([instance(1)]);
    const sent = await sendAndSettle();
    const body = last().begin();
    await clock.advance(60_000);
    expect(sent.result).toBe(200);
    body.end(undefined);
    last().finish();
    expect(upstream.outcomes.success).toBe(1);
  });
});

describe('a registered sidecar that did not execute the request', () => {
  const codes = [
    [503, 'PF_APP_DOWN', /its sidecar said that its app is down/],
    [503, 'PF_DRAINING', /its sidecar said that it is stopping/],
    [503, 'PF_OVERFLOW', /^picked$/],
    [421, 'PF_MISDIRECTED', /a misdirected record/],
  ] as const;

  it.each(codes)('%i %s: POST goes elsewhere', async (status, code, reason) => {
    open();
    watch.give([instance(1), instance(2)]);
    const sent = await sendAndSettle('POST', Body.of(Buffer.from('content')));
    const first = last();
    first.answer(status, [['x-pilotfish-code', code]], 'a problem');
    await turns();
    expect(network.exchanges).toHaveLength(2);
    expect(last().connection.target.address).not.toBe(first.connection.target.address);
    expect(why(first.connection.target.address === '10.0.0.1:80' ? 'orders-1' : 'orders-2')).toMatch(reason);
    expect(last().body.takeWhole(100)?.content.map(String)).toEqual(['content']);
    last().answer();
    await turns();
    expect(sent.result).toBe(200);
    expect(sent.request.attempts.map(({ result }) => result)).toEqual([code, 200]);
    expect(upstream.outcomes).toMatchObject({ 'not-executed': 1, success: 1 });
    expect(upstream.inFlight).toBe(0);
  });

  it('is believed only with the status that belongs to the code, and only from a registry', async () => {
    open();
    watch.give([instance(1), instance(2)]);
    const misfit = await sendAndSettle('POST', Body.of(Buffer.from('x')));
    last().answer(503, [['x-pilotfish-code', 'PF_MISDIRECTED']]);
    upstream.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'another begins'));
    open();
    watch.give([instance(1), instance(2)], { origin: 'static' });
    const unregistered = await sendAndSettle('POST', Body.of(Buffer.from('x')));
    last().answer(503, [['x-pilotfish-code', 'PF_DRAINING']]);
    await turns();
    expect([misfit.result, unregistered.result]).toEqual([503, 503]);
    expect(network.exchanges).toHaveLength(2);
  });

  it('gives the last code to the caller when all say so', async () => {
    open();
    watch.give([instance(1), instance(2)]);
    network.onSent = (exchange) => exchange.answer(503, [['x-pilotfish-code', 'PF_DRAINING']]);
    const sent = send('POST', Body.of(Buffer.from('x')));
    await clock.advance(100);
    expect(sent.error).toMatchObject({ code: 'PF_DRAINING', status: 503 });
    expect(sent.request.attempts).toHaveLength(3);
  });
});

it('says for whom a request is, once, whatever the app said', async () => {
  open();
  watch.give([instance(1), instance(2)]);
  network.onSent = (exchange) => exchange.answer(503);
  const request = makeRequest();
  request.headers.append('X-Pilotfish-To', 'payments');
  const answered = handle(request);
  await clock.advance(100);
  await answered;
  expect(request.attempts).toHaveLength(3);
  expect(request.headers.getAll('x-pilotfish-to')).toEqual(['orders']);
});
