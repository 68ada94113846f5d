// Endpoints that stop answering while their kernel goes on accepting connections: who waits for them goes elsewhere, once.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import type { Handler, ProxyRequest } from '../../../src/http/message.ts';
import { callUpstream } from '../../../src/resilience/call.ts';
import { describeEndpoint } from '../../../src/upstream/describe.ts';
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, makeRequest, optionsWith, ORDERS, turns } from './fakes.ts';
import type { FakeExchange } from './fakes.ts';

const A = '10.0.0.1:80';
const { timeout: TIMEOUT, retry: RETRY, connect: CONNECT } = UPSTREAM_DEFAULTS;

let clock: FakeClock;
let network: FakeNetwork;
let watch: FakeWatch;
let upstream: Upstream;
let handle: Handler;
/** Who answers nothing at all. */
let stopped: Set<string>;
/** Called for requests (not for questions) at endpoints that run. */
let serve: (exchange: FakeExchange) => void;

/** Three copies unless said otherwise. */
function open(options: Partial<UpstreamOptions> = {}, size = 3): void {
  const identity = { name: 'orders', key: ORDERS, options: optionsWith(options), isKnown: true };
  upstream = new Upstream(identity, { clock, connect: network.connect, watch: watch.service });
  handle = callUpstream(upstream, { clock, deadlines: new DeadlineLists(clock) }).handle;
  watch.give(Array.from({ length: size }, (_, n) => instance(n + 1)));
}

interface Sent {
  readonly request: ProxyRequest;
  result: number | string | undefined;
  endedAtMs: number;
}

function send(method = 'GET', body?: Body): Sent {
  const request = makeRequest(method, body, clock.now());
  const sent: Sent = { request, result: undefined, endedAtMs: 0 };
  const end = (result: number | string): void => {
    sent.result = result;
    sent.endedAtMs = clock.now();
  };
  handle(request).then(
    (response) => end(response.status),
    (error: unknown) => end(error instanceof ProxyError ? error.code : 'bug'),
  );
  return sent;
}

/** Lets time pass with all that happens in it, immediates included. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 5) {
    await clock.advance(Math.min(5, left));
    await turns();
  }
}

async function sendTo(address: string, method = 'GET'): Promise<Sent> {
  for (let tries = 0; tries < 100; tries++) {
    const sent = send(method);
    await turns();
    if (sent.request.attempts[0]?.endpoint === address) return sent;
  }
  throw new Error(`${address} was never picked`);
}

/** So many answers that the upstream knows what is normal: nothing takes long. */
async function learn(): Promise<void> {
  for (let count = 0; count < 32; count++) send();
  await turns();
}

function questions(): FakeExchange[] {
  return network.exchanges.filter(({ request }) => request.method === 'OPTIONS');
}

function executions(sent: Sent): number {
  return network.exchanges.filter(({ request }) => request === sent.request).length;
}

function endpoint(address: string) {
  for (const one of upstream.endpoints) if (one.address === address) return one;
  throw new Error(`${address} is not there`);
}

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork(clock);
  watch = new FakeWatch();
  stopped = new Set();
  serve = (exchange) => exchange.answer();
  network.onSent = (exchange) => {
    const { address } = exchange.connection.target;
    if (stopped.has(address)) return;
    if (exchange.request.method === 'OPTIONS') exchange.answer(404);
    else serve(exchange);
  };
});

afterEach(async () => {
  upstream.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over'));
  await turns();
  expect(network.open.length).toBe(0);
});

describe('an endpoint that has stopped', () => {
  it('costs a GET 200 ms and is left out', async () => {
    open();
    await learn();
    stopped.add(A);
    const sent = await sendTo(A);
    await pass(220);
    expect(sent.result).toBe(200);
    expect(sent.endedAtMs - sent.request.receivedAtMs).toBeLessThanOrEqual(215);
    expect(sent.request.attempts.map(({ result }) => result)).toEqual(['PF_TIMEOUT', 200]);
    expect(describeEndpoint(upstream, endpoint(A), clock.now()).why).toMatch(/^ejected .*it answered nothing any more/);
    expect(questions()).toHaveLength(1);
  });

  it('costs half a second before anything is known of the upstream', async () => {
    open();
    stopped.add(A);
    const sent = await sendTo(A);
    await pass(1_050);
    expect(sent.result).toBe(200);
    expect(sent.endedAtMs - sent.request.receivedAtMs).toBeLessThanOrEqual(1_020);
  });

  it('gets nothing new while it is asked, POST included', async () => {
    open({ balancer: { policy: 'round-robin' } });
    await learn();
    stopped.add(A);
    await sendTo(A);
    await pass(110);
    expect(endpoint(A).isSilent).toBe(true);
    const before = executionsAt(A);
    for (let count = 0; count < 12; count++) expect((await settled(send('POST'))).result).toBe(200);
    expect(executionsAt(A)).toBe(before);
  });

  it('keeps a POST that was sent, which fails at the end of its time and is never sent twice', async () => {
    open();
    await learn();
    stopped.add(A);
    const sent = await sendTo(A, 'POST');
    await pass(4_900);
    expect(sent.result).toBeUndefined();
    await pass(400);
    expect([sent.result, executions(sent)]).toEqual(['PF_TIMEOUT', 1]);
  });

  it('is back as soon as it answers, and a connection that opens does not count', async () => {
    open();
    await learn();
    stopped.add(A);
    await sendTo(A);
    await pass(3_000);
    expect(endpoint(A).outlier.isEjected).toBe(true);
    expect(describeEndpoint(upstream, endpoint(A), clock.now()).why).toMatch(/until it answers/);
    const [first, second] = questions();
    expect([first?.connection.isOpen, second?.connection.isOpen]).toEqual([false, true]);
    stopped.clear();
    second?.answer(200);
    expect(endpoint(A).outlier.isEjected).toBe(false);
    expect(questions()).toHaveLength(2);
  });

  it('frees all that wait, those that wait for a connection too', async () => {
    open({ balancer: { policy: 'round-robin' } });
    await learn();
    stopped.add(A);
    const sent = Array.from({ length: 30 }, () => send());
    await pass(240);
    expect(sent.map(({ result }) => result)).toEqual(sent.map(() => 200));
    expect(upstream.outcomes.timeout).toBe(10);
  });

  it('does not take the budget of retries along: who cannot be paid for waits on', async () => {
    open({ balancer: { policy: 'round-robin' }, retry: { ...RETRY, budget: { ratio: 0, minPerSecond: 1 } } });
    await learn();
    stopped.add(A);
    const sent = Array.from({ length: 60 }, () => send());
    await pass(300);
    expect(sent.filter(({ result }) => result === undefined)).toHaveLength(10);
    stopped.clear();
    for (const { exchange } of network.open) exchange?.answer();
    await turns();
    expect(sent.map(({ result }) => result)).toEqual(sent.map(() => 200));
  });

  it('keeps no GET where there is no room for its ejection, as long as somebody else is well', async () => {
    open({}, 4);
    await learn();
    stopped.add(A).add('10.0.0.2:80').add('10.0.0.3:80');
    const sent = Array.from({ length: 8 }, () => send());
    await turns();
    expect(new Set(sent.map(({ request }) => request.attempts[0]?.endpoint)).size).toBe(4);
    await pass(500);
    expect([...upstream.endpoints].filter(({ outlier }) => outlier.isEjected)).toHaveLength(2);
    expect(sent.map(({ result }) => result)).toEqual(sent.map(() => 200));
  });

  it('is not left where nobody else is well', async () => {
    open({}, 2);
    await learn();
    stopped.add(A).add('10.0.0.2:80');
    const sent = Array.from({ length: 4 }, () => send());
    await pass(1_000);
    expect([...upstream.endpoints].filter(({ outlier }) => outlier.isEjected)).toHaveLength(1);
    expect(sent.some(({ result }) => result !== undefined)).toBe(false);
  });
});

describe('an endpoint that answers requests, but no question', () => {
  /** It is ejected after one request that took long. @returns the exchange of that. */
  async function ejectMute(): Promise<FakeExchange> {
    network.onSent = (exchange) => {
      const { method } = exchange.request;
      if (method !== 'OPTIONS') serve(exchange);
      else if (exchange.connection.target.address !== A) exchange.answer(404);
    };
    open();
    await learn();
    const slow = await hold('POST', A);
    await pass(300);
    expect(endpoint(A).outlier.isEjectedFor('hung')).toBe(true);
    const exchange = network.exchanges.find(({ request }) => request === slow.request);
    if (exchange === undefined) throw new Error('it was not sent');
    return exchange;
  }

  it('is back with a success of a request that began after its ejection, not with an older one', async () => {
    const older = await ejectMute();
    older.answer();
    await turns();
    expect(endpoint(A).outlier.isEjected).toBe(true);
    await pass(1_000);
    expect(questions().filter(({ connection }) => connection.isOpen)).toHaveLength(1);
    // As a last resort.
    const claim = endpoint(A).claim(clock.now());
    await pass(5);
    claim.settle('success', clock.now());
    await turns();
    expect(endpoint(A).outlier.isEjected).toBe(false);
    expect(questions().filter(({ connection }) => connection.isOpen && connection.exchange !== undefined)).toEqual([]);
    const { length } = questions();
    await pass(15_000);
    expect(questions()).toHaveLength(length);
  });

  it('is let in on probation once it was out for `maxEjection`', async () => {
    await ejectMute();
    await pass(110_000);
    expect(endpoint(A).outlier.isEjected).toBe(true);
    await pass(25_000);
    expect(endpoint(A).outlier.isEjected).toBe(false);
    endpoint(A).claim(clock.now()).settle('reset', clock.now());
    expect(endpoint(A).outlier.isEjectedFor('hung')).toBe(true);
  });

  it('is not let in then where no connection can be opened', async () => {
    await ejectMute();
    network.refusing.add(A);
    await pass(130_000);
    expect(endpoint(A).outlier.isEjected).toBe(true);
    network.refusing.clear();
    await pass(1_500);
    expect(endpoint(A).outlier.isEjected).toBe(false);
  });
});

describe('a request that takes long', () => {
  it('is executed once where its endpoint answers that it lives', async () => {
    open();
    await learn();
    serve = () => undefined;
    const sent = await sendTo(A);
    await pass(2_000);
    network.exchanges.find(({ request }) => request === sent.request)?.answer();
    await turns();
    expect([sent.result, executions(sent)]).toEqual([200, 1]);
    // After 100, 300, 700 and 1,500 ms.
    expect(questions().filter(({ connection }) => connection.target.address === A)).toHaveLength(4);
    expect(endpoint(A).outlier.isEjected).toBe(false);
  });

  it('is executed once where all connections are in use, and the endpoint cannot be asked', async () => {
    open({ connect: { ...CONNECT, max: 4 } }, 2);
    await learn();
    serve = (exchange) => void clock.setTimer(1_000, () => exchange.answer());
    const sent = Array.from({ length: 8 }, () => send());
    await pass(1_050);
    expect(sent.map((one) => [one.result, executions(one)])).toEqual(sent.map(() => [200, 1]));
    expect([...upstream.endpoints].some(({ outlier }) => outlier.isEjected)).toBe(false);
  });

  it.each([
    ['is asked for its whole time once there is room', 0],
    ['has hung where it does not answer then either', 1],
  ])('in a full pool: its endpoint %s', async (_what, ejected) => {
    open({ connect: { ...CONNECT, max: 1 } }, 2);
    await learn();
    serve = () => undefined;
    const sent = await sendTo(A);
    await pass(190);
    expect([questions().length, endpoint(A).isSilent]).toEqual([0, true]);
    stopped.add(A);
    sent.request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await pass(80);
    expect([questions().length, endpoint(A).isSilent]).toEqual([1, true]);
    if (ejected === 0) questions()[0]?.answer();
    await pass(120);
    expect(endpoint(A).isSilent).toBe(false);
    expect([...upstream.endpoints].filter(({ outlier }) => outlier.isEjected)).toHaveLength(ejected);
  });

  it('has hung where the dial for the question stays without an answer', async () => {
    open({}, 2);
    await learn();
    stopped.add(A);
    const sent = await sendTo(A);
    network.isPatient = true;
    await pass(220);
    expect(endpoint(A).outlier.isEjectedFor('hung')).toBe(true);
    expect(sent.request.attempts).toHaveLength(2);
    network.isPatient = false;
    network.settleDials();
    await turns();
  });

  it('raises no question while its endpoint answers others', async () => {
    open({ balancer: { policy: 'round-robin' } });
    await learn();
    const slow = await hold('GET');
    for (let ms = 0; ms < 1_000; ms += 20) {
      await settled(send());
      await pass(20);
    }
    expect(slow.result).toBeUndefined();
    expect(questions()).toHaveLength(0);
  });

  it('blocks its process: it is moved once, and then waited for', async () => {
    open();
    await learn();
    serve = (exchange) => void stopped.add(exchange.connection.target.address);
    const slow = send();
    await pass(1_000);
    expect([slow.result, executions(slow)]).toEqual([undefined, 2]);
    network.exchanges.findLast(({ request }) => request === slow.request)?.answer();
    await turns();
    expect(slow.result).toBe(200);
  });

  it('is normal where all do: what is asked about adapts', async () => {
    open();
    const delayed: FakeExchange[] = [];
    serve = (exchange) => void delayed.push(exchange);
    for (let count = 0; count < 100; count++) {
      send();
      await turns();
      await clock.advance(400);
      delayed.splice(0).forEach((exchange) => exchange.answer());
      await turns();
    }
    const before = questions().length;
    expect(upstream.hangs?.patienceMs).toBe(1_200);
    send();
    await pass(1_000);
    expect(questions()).toHaveLength(before);
  });
});

describe('a client that still sends', () => {
  it('is nobody’s silence', async () => {
    open();
    await learn();
    serve = ({ body }) => body.read({ onData: () => undefined, onEnd: () => undefined, onError: () => undefined });
    const body = new Body(undefined, 1_000);
    send('PUT', body);
    await turns();
    for (let sent = 0; sent < 20; sent++) {
      body.push(Buffer.alloc(10));
      await pass(50);
    }
    expect(questions()).toHaveLength(0);
  });
});

describe('timeout.hang', () => {
  it('off: asks nothing', async () => {
    open({ timeout: { ...TIMEOUT, hang: 'off' } });
    stopped.add(A);
    const sent = await sendTo(A);
    await pass(4_900);
    expect([sent.result, questions().length]).toEqual([undefined, 0]);
  });

  it('a duration: asks after it', async () => {
    open({ timeout: { ...TIMEOUT, hang: 40 } });
    await learn();
    stopped.add(A);
    await sendTo(A);
    await pass(35);
    expect(questions()).toHaveLength(0);
    await pass(10);
    expect(questions()).toHaveLength(1);
  });

  it('has no use with one endpoint', async () => {
    open({}, 1);
    stopped.add(A);
    send();
    await pass(2_000);
    expect(questions()).toHaveLength(0);
  });
});

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('send' as const),
        method: fc.constantFrom('GET', 'POST'),
        takesMs: fc.constantFrom(0, 0, 5, 40, 900),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('stop' as const, 'go' as const),
        who: fc.integer({ min: 1, max: 2 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 300 }) }) },
  ),
  { maxLength: 40 },
);

describe('whatever stops and goes on, while one of three runs', () => {
  it('no GET fails, no POST is executed twice, nothing is executed twice where nobody stopped', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (given, seed) => {
        clock = new FakeClock({ seed });
        stopped = new Set();
        const held = new Map<string, FakeExchange[]>();
        let hasStopped = false;
        let takesMs = 0;
        const after = (ms: number, exchange: FakeExchange): void =>
          void clock.setTimer(ms, () => {
            const { address } = exchange.connection.target;
            if (stopped.has(address)) held.set(address, [...(held.get(address) ?? []), exchange]);
            else exchange.answer();
          });
        network.onSent = (exchange) => after(exchange.request.method === 'OPTIONS' ? 1 : takesMs, exchange);
        open();
        const sent: Sent[] = [];
        for (const step of given) {
          if (step.kind === 'wait') await pass(step.ms);
          else if (step.kind === 'send') {
            takesMs = step.takesMs;
            sent.push(send(step.method));
            await turns();
          } else if (step.kind === 'stop') {
            stopped.add(`10.0.0.${step.who}:80`);
            hasStopped = true;
          } else {
            const address = `10.0.0.${step.who}:80`;
            stopped.delete(address);
            for (const exchange of held.get(address) ?? []) exchange.answer();
            held.delete(address);
          }
        }
        await pass(12_000);
        for (const one of sent) {
          const times = network.exchanges.filter(({ request }) => request === one.request).length;
          if (one.request.method === 'GET') expect(one.result).toBe(200);
          else expect(times).toBeLessThanOrEqual(1);
          if (!hasStopped) expect([one.result, times]).toEqual([200, 1]);
        }
        upstream.close();
        await turns();
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});

function executionsAt(address: string): number {
  return network.exchanges.filter(
    ({ connection, request }) => connection.target.address === address && request.method !== 'OPTIONS',
  ).length;
}

async function settled(sent: Sent): Promise<Sent> {
  await turns();
  return sent;
}

/** A request that its endpoint leaves unanswered, while it answers all others. @param address whichever, where there is none. */
async function hold(method: string, address?: string): Promise<Sent> {
  const answering = serve;
  serve = (exchange) => {
    if (address !== undefined && exchange.connection.target.address !== address) exchange.answer();
  };
  const sent = address === undefined ? send(method) : await sendTo(address, method);
  await turns();
  serve = answering;
  return sent;
}
