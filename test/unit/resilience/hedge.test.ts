import { beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { ProxyResponse, type Handler, type ProxyRequest } from '../../../src/http/message.ts';
import { Hedge } from '../../../src/resilience/hedge.ts';
import { RetryBudget } from '../../../src/resilience/retry-budget.ts';
import { Decisions } from '../../../src/upstream/decisions.ts';
import { NO_LIMITS, UPSTREAM_DEFAULTS, type HedgingOptions } from '../../../src/upstream/options.ts';
import { UpstreamLoad } from '../../../src/upstream/upstream-load.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeRequest, turns } from '../upstream/fakes.ts';

const DELAY_MS = 50;

/** One attempt, ended by the test. */
class Attempt {
  readonly endpoint: string;
  readonly request: ProxyRequest;
  result: number | ProxyError['code'] | undefined = undefined;
  isAborted = false;
  readonly ended: Promise<ProxyResponse>;
  private resolve: (response: ProxyResponse) => void = () => undefined;
  private reject: (error: ProxyError) => void = () => undefined;

  constructor(request: ProxyRequest) {
    this.request = request;
    this.endpoint = `10.0.0.${request.attempts.length + 1}:80`;
    this.ended = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    request.attempts.push(this);
    request.workedOnBy(this);
  }

  answer(status = 200): ProxyResponse {
    const response = new ProxyResponse(status);
    this.result = status;
    this.resolve(response);
    return response;
  }

  fail(error: ProxyError): void {
    this.result = error.code;
    this.reject(error);
  }

  abort(reason: ProxyError): void {
    this.isAborted = true;
    this.fail(reason);
  }
}

const RESET = new ProxyError('PF_UPSTREAM_CLOSED', 'reset', { requestSent: true, endpoint: '10.0.0.1:80' });

let clock: FakeClock;
let attempts: Attempt[];
let budget: RetryBudget;
let outlook: { failingForMs: number; hasOtherThan: () => boolean };
let breaker: { isClosed: boolean };
let concurrency: { hasRoom: boolean };

beforeEach(() => {
  clock = new FakeClock();
  attempts = [];
  budget = new RetryBudget({ ratio: 0, minPerSecond: 1 });
  outlook = { failingForMs: 0, hasOtherThan: () => true };
  breaker = { isClosed: true };
  concurrency = { hasRoom: true };
});

function hedgeOf(options: Partial<HedgingOptions> = {}): Hedge {
  const attempt: Handler = (request) => {
    const made = new Attempt(request);
    attempts.push(made);
    return made.ended;
  };
  const load = new UpstreamLoad('orders', NO_LIMITS);
  const target = { outlook, load, hangs: undefined, decisions: new Decisions() };
  const shared = { clock, deadlines: new DeadlineLists(clock), budget, breaker, concurrency };
  return new Hedge(
    { delay: { kind: 'fixed', ms: DELAY_MS }, maxExtra: 1, ...options },
    { ...shared, retry: UPSTREAM_DEFAULTS.retry, target, elsewhere: attempt },
    attempt,
  );
}

function start(hedge: Hedge, request = makeRequest('GET', Body.empty, clock.now())) {
  const ended = hedge.handle(request).then(
    (response) => response.status,
    (error: unknown) => (error instanceof ProxyError ? error.code : error),
  );
  return { request, ended };
}

async function at(index: number): Promise<Attempt> {
  await turns();
  const attempt = attempts[index];
  if (attempt === undefined) throw new Error(`there are ${attempts.length} attempts`);
  return attempt;
}

describe('an attempt that takes long', () => {
  it('is joined by another one, and the first answer wins', async () => {
    const hedge = hedgeOf();
    const { request, ended } = start(hedge);
    await clock.advance(DELAY_MS - 10);
    expect(attempts).toHaveLength(1);
    await clock.advance(20);
    const [first, second] = [await at(0), await at(1)];
    second.request.answeredAtMs = 777;
    second.answer();
    expect(await ended).toBe(200);
    expect([first.isAborted, second.isAborted]).toEqual([true, false]);
    expect(request.attempts.map(({ result }) => result)).toEqual([undefined, 200]);
    expect(request.answeredAtMs).toBe(777);
    expect(hedge.counts).toEqual({ won: 1, lost: 0, refused: 0 });
    // Its content may still be on its way: the client that goes away ends it.
    request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    expect(second.isAborted).toBe(true);
  });

  it('wins where it answers first after all', async () => {
    const hedge = hedgeOf();
    const { ended } = start(hedge);
    await clock.advance(DELAY_MS + 10);
    const [first, second] = [await at(0), await at(1)];
    first.answer();
    expect(await ended).toBe(200);
    expect(second.isAborted).toBe(true);
    expect(hedge.counts).toEqual({ won: 0, lost: 1, refused: 0 });
  });

  it('is joined by several, each after the delay, up to maxExtra', async () => {
    start(hedgeOf({ maxExtra: 2 }));
    await clock.advance(10 * DELAY_MS);
    expect(attempts).toHaveLength(3);
  });

  it('fails, and the other one goes on; both fail, and the first one is what is told', async () => {
    const one = start(hedgeOf());
    await clock.advance(DELAY_MS + 10);
    (await at(0)).fail(RESET);
    await turns();
    (await at(1)).answer();
    expect(await one.ended).toBe(200);
    attempts = [];
    const two = start(hedgeOf());
    await clock.advance(DELAY_MS + 10);
    (await at(1)).fail(new ProxyError('PF_NO_ENDPOINT', 'nowhere'));
    (await at(0)).fail(RESET);
    expect(await two.ended).toBe('PF_UPSTREAM_CLOSED');
  });

  it('a 503 waits for the other one; the last one is handed on', async () => {
    const { ended } = start(hedgeOf());
    await clock.advance(DELAY_MS + 10);
    (await at(0)).answer(503);
    (await at(1)).answer(503);
    expect(await ended).toBe(503);
  });

  it('a client that goes away ends all of them, also where the first one has failed', async () => {
    const { request, ended } = start(hedgeOf());
    await clock.advance(DELAY_MS + 10);
    (await at(0)).fail(RESET);
    await turns();
    request.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    expect((await at(1)).isAborted).toBe(true);
    expect(await ended).toBe('PF_UPSTREAM_CLOSED');
  });
});

describe('no other attempt is made', () => {
  it('beside one that has failed: the retries decide', async () => {
    const { ended } = start(hedgeOf());
    (await at(0)).fail(RESET);
    expect(await ended).toBe('PF_UPSTREAM_CLOSED');
    await clock.advance(10 * DELAY_MS);
    expect(attempts).toHaveLength(1);
  });

  it.each<[string, () => ProxyRequest]>([
    ['may not be executed twice', () => makeRequest('POST', Body.empty, 0)],
    [
      'comes from a caller that tries again itself',
      () => Object.assign(makeRequest('GET', Body.empty, 0), { callerAttempt: 2 }),
    ],
    ['is an upgrade', () => Object.assign(makeRequest('GET', Body.empty, 0), { isUpgrade: true })],
    ['has content that is still coming', () => makeRequest('PUT', new Body(undefined, 10), 0)],
    ['has more content than is held', () => makeRequest('PUT', Body.of(Buffer.alloc(70_000)), 0)],
  ])('for a request that %s', async (_what, make) => {
    start(hedgeOf(), make());
    await clock.advance(10 * DELAY_MS);
    expect(attempts).toHaveLength(1);
  });

  it.each<[string, () => void]>([
    ['all endpoints keep failing', () => (outlook.failingForMs = 5)],
    ['there is no other endpoint', () => (outlook.hasOtherThan = () => false)],
    ['the breaker is not closed', () => (breaker.isClosed = false)],
    ['as many requests as the upstream can take wait for it', () => (concurrency.hasRoom = false)],
  ])('where %s', async (why, arrange) => {
    arrange();
    const hedge = hedgeOf();
    start(hedge);
    await clock.advance(10 * DELAY_MS);
    expect(attempts).toHaveLength(1);
    expect(hedge.describe()).toMatchObject({ refused: 1, lastRefusal: why });
  });

  it('beyond the budget that it shares with the retries', async () => {
    const hedge = hedgeOf();
    for (let count = 0; count < 30; count++) start(hedge);
    await clock.advance(2 * DELAY_MS);
    expect(attempts).toHaveLength(30 + 10);
    expect(hedge.describe()).toMatchObject({ refused: 20, lastRefusal: 'the retry budget is spent' });
    expect(budget.ratioLeft(clock.now())).toBe(0);
  });
});

it('content is the same for all of them, and shares nothing that one of them could give back', async () => {
  start(hedgeOf(), makeRequest('PUT', Body.of(Buffer.from('content')), clock.now()));
  await clock.advance(2 * DELAY_MS);
  const contents = attempts.map(({ request }) => request.body.takeWhole(100)?.content.join(''));
  expect(contents).toEqual(['content', 'content']);
  expect(attempts[0]?.request.headers).not.toBe(attempts[1]?.request.headers);
});
