import { beforeEach, describe, expect, it } from 'vitest';
import { ProxyError, type ErrorFacts } from '../../../src/errors.ts';
import { Body, type BodyReader } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyResponse, type ProxyRequest } from '../../../src/http/message.ts';
import { deadline } from '../../../src/resilience/deadline.ts';
import { RetryBudget } from '../../../src/resilience/retry-budget.ts';
import { retry, type RetryContext } from '../../../src/resilience/retry.ts';
import { UPSTREAM_DEFAULTS, type RetryOptions } from '../../../src/upstream/options.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeRequest } from '../upstream/fakes.ts';

type Try = ProxyError | ProxyResponse | ((request: ProxyRequest) => Promise<ProxyResponse>);

const AT = { endpoint: '10.0.0.1:80' };
const NEVER_SENT = failure('PF_CONNECT_FAILED', { ...AT, requestSent: false });
const RESET = failure('PF_UPSTREAM_CLOSED', { ...AT, requestSent: true });
const OUTLOOK = { failingForMs: 0, hasOtherThan: (tried: number): boolean => tried < 2 };
const LOAD = { admitsRetry: (): boolean => true };
const IGNORE: BodyReader = { onData: () => undefined, onEnd: () => undefined, onError: () => undefined };

let clock: FakeClock;
let tries: number[];
let refusals: string[];

function failure(code: ProxyError['code'], facts: ErrorFacts): ProxyError {
  return new ProxyError(code, code, facts);
}

function status(code: number, body?: Body): ProxyResponse {
  return new ProxyResponse(code, undefined, body);
}

/** Runs one request against `outcomes` in order, the last one for ever; gives its status, or the code of its error. */
async function run(
  outcomes: readonly Try[],
  {
    method = 'GET',
    body = Body.empty,
    options = {},
    budget = new RetryBudget({ ratio: 0, minPerSecond: 100 }),
    outlook = OUTLOOK,
    fields = [],
    requestMs = 15_000,
    load = LOAD,
    breaker,
  }: {
    method?: string;
    body?: Body;
    options?: Partial<RetryOptions>;
    budget?: RetryBudget;
    outlook?: RetryContext['outlook'];
    fields?: readonly (readonly [string, string])[];
    requestMs?: number;
    load?: RetryContext['load'];
    breaker?: RetryContext['breaker'];
  } = {},
): Promise<number | string> {
  const all = { ...UPSTREAM_DEFAULTS.retry, ...options };
  const decisions = { notRetried: (why: string) => void refusals.push(why) };
  const deadlines = new DeadlineLists(clock);
  const layer = retry(all, { clock, deadlines, budget, requestMs, outlook, load, breaker, decisions });
  const request = makeRequest(method, body, clock.now());
  for (const [name, value] of fields) request.headers.append(name, value);
  const handle = layer((seen) => {
    const outcome = outcomes[Math.min(tries.length, outcomes.length - 1)];
    tries.push(clock.now());
    if (typeof outcome === 'function') return outcome(seen);
    return outcome instanceof ProxyResponse ? Promise.resolve(outcome) : Promise.reject(outcome ?? new Error('none'));
  });
  const ended = handle(request).then(
    (response) => response.status,
    (error: unknown) => (error instanceof ProxyError ? error.code : 'bug'),
  );
  await clock.advance(20_000);
  return ended;
}

beforeEach(() => {
  clock = new FakeClock();
  tries = [];
  refusals = [];
});

describe('what is tried again', () => {
  const rows: readonly (readonly [string, Try, string, number])[] = [
    ['a refused connection', NEVER_SENT, 'POST', 3],
    [
      'a connection found closed before anything was sent',
      failure('PF_UPSTREAM_CLOSED', { ...AT, requestSent: false }),
      'POST',
      3,
    ],
    ['a sidecar that did not execute it', failure('PF_DRAINING', { ...AT, requestSent: false }), 'POST', 3],
    ['our own limit on connections', failure('PF_OVERFLOW', { ...AT, requestSent: false }), 'POST', 3],
    ['a timeout before anything was sent', failure('PF_TIMEOUT', { ...AT, requestSent: false }), 'POST', 3],
    ['a reset', RESET, 'GET', 3],
    ['a reset', RESET, 'PUT', 3],
    ['a reset', RESET, 'DELETE', 3],
    ['a reset', RESET, 'POST', 1],
    ['a reset', RESET, 'PATCH', 1],
    ['a malformed answer', failure('PF_UPSTREAM_PROTOCOL', { ...AT, requestSent: true }), 'GET', 3],
    ['a malformed answer', failure('PF_UPSTREAM_PROTOCOL', { ...AT, requestSent: true }), 'POST', 1],
    ['an attempt without an answer', failure('PF_TIMEOUT', { ...AT, requestSent: true }), 'HEAD', 3],
    ['an attempt without an answer', failure('PF_TIMEOUT', { ...AT, requestSent: true }), 'POST', 1],
    ['503', status(503), 'GET', 3],
    ['503', status(503), 'POST', 1],
    ['500', status(500), 'GET', 1],
    ['429', status(429), 'GET', 1],
    ['nobody to pick', failure('PF_NO_ENDPOINT', {}), 'GET', 1],
    ['a client that went away', failure('PF_CLIENT_CLOSED', {}), 'GET', 1],
    ['a bug', (): Promise<ProxyResponse> => Promise.reject(new Error('bug')), 'GET', 1],
  ];

  it.each(rows)('%s, %#', async (_what, outcome, method, expected) => {
    await run([outcome], { method });
    expect(tries).toHaveLength(expected);
  });

  it('can be restricted by configuration', async () => {
    const on = { connect: false, resetBeforeResponse: false, attemptTimeout: false, statuses: [] };
    for (const outcome of [NEVER_SENT, RESET, status(503)]) {
      tries = [];
      await run([outcome], { options: { on } });
      expect(tries).toHaveLength(1);
    }
  });
});

describe('the loop', () => {
  it('gives the first good answer', async () => {
    expect(await run([RESET, status(503), status(200)])).toBe(200);
    expect(tries).toHaveLength(3);
  });

  it('gives the last answer or error when no try is left', async () => {
    expect(await run([RESET, status(503)])).toBe(503);
    tries = [];
    expect(await run([status(503), RESET])).toBe('PF_UPSTREAM_CLOSED');
  });

  it('goes elsewhere at once, and waits a little before any further retry', async () => {
    await run([RESET], { options: { attempts: 4 } });
    const [first = 0, second = 0, third = 0, fourth = 0] = tries;
    expect(second).toBe(first);
    expect(third - second).toBeGreaterThan(0);
    expect(third - second).toBeLessThanOrEqual(25);
    expect(fourth - third).toBeLessThanOrEqual(50);
  });

  it.each([
    ['waits where nothing was sent, but all were asked', NEVER_SENT, 2, 1],
    ['does not wait where nothing was sent, and one is left that was not asked', NEVER_SENT, 3, 0],
    ['waits where it may have been executed', RESET, 3, 1],
  ])('%s, with a second retry', async (_what, error, endpoints, waits) => {
    const outcome = (request: ProxyRequest): Promise<ProxyResponse> => {
      request.attempts.push({ endpoint: `10.0.0.${tries.length}:80`, result: error.code });
      return Promise.reject(error);
    };
    await run([outcome], { outlook: { failingForMs: 0, hasOtherThan: (tried) => tried < endpoints } });
    const [, second = 0, third = 0] = tries;
    expect(Math.sign(third - second)).toBe(waits);
  });

  it('stops when the budget is spent', async () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 0 });
    expect(await run([status(503), status(200)], { budget })).toBe(503);
    expect(await run([RESET], { budget })).toBe('PF_UPSTREAM_CLOSED');
    expect(tries).toHaveLength(2);
  });

  it('reads an answer that nobody gets to its end where it is short, and cancels it where it is long', async () => {
    const [short, long] = [new Body(undefined, undefined), new Body(undefined, 1_000_000)];
    await run([status(503, short), status(503, long), status(200)]);
    short.push(Buffer.from('problem'));
    expect(short.heldBytes).toBe(0);
    long.push(Buffer.from('x'));
    expect(long.received).toBe(0);
  });

  it('stops when the client goes away, also between two tries', async () => {
    let seen: ProxyRequest | undefined;
    const gone = failure('PF_CLIENT_CLOSED', {});
    const layer = retry(UPSTREAM_DEFAULTS.retry, {
      clock,
      deadlines: new DeadlineLists(clock),
      budget: new RetryBudget({ ratio: 0, minPerSecond: 100 }),
      requestMs: 15_000,
      outlook: OUTLOOK,
      load: LOAD,
    });
    const handle = layer((request) => {
      seen = request;
      tries.push(clock.now());
      return Promise.reject(RESET);
    });
    const ended = handle(makeRequest('GET', Body.empty, clock.now())).catch((error: unknown) => error);
    await clock.advance(0);
    expect(tries).toHaveLength(2);
    seen?.abort(gone);
    await clock.advance(1_000);
    expect(await ended).toBe(gone);
    expect(tries).toHaveLength(2);
  });
});

describe('where a retry would be in vain', () => {
  it('there is none: all endpoints keep failing', async () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 10 });
    const outlook = { ...OUTLOOK, failingForMs: 101 };
    expect(await run([NEVER_SENT], { budget, outlook })).toBe('PF_CONNECT_FAILED');
    expect(await run([status(503)], { budget, outlook })).toBe(503);
    expect(tries).toHaveLength(2);
    expect(budget.ratioLeft(clock.now())).toBe(1);
  });

  it('there is none that would have to wait, sooner than one at once', async () => {
    const outlook = { ...OUTLOOK, failingForMs: 26 };
    const outcome = (request: ProxyRequest): Promise<ProxyResponse> => {
      request.attempts.push({ endpoint: '10.0.0.1:80', result: 'PF_CONNECT_FAILED' });
      return Promise.reject(NEVER_SENT);
    };
    await run([outcome], { outlook });
    expect(tries).toHaveLength(2);
  });
});

describe('why there is none', () => {
  const long = new Body(undefined, undefined);
  const reader = (request: ProxyRequest): Promise<ProxyResponse> => {
    request.body.read(IGNORE);
    long.push(Buffer.alloc(70_000));
    return Promise.reject(RESET);
  };
  const nowhere = { failingForMs: 0, hasOtherThan: (): boolean => false };
  const later = new ProxyResponse(503, Headers.of(['Retry-After', '60']));
  const rows: readonly (readonly [string | undefined, readonly Try[], Parameters<typeof run>[1]])[] = [
    [undefined, [RESET, status(200)], {}],
    [undefined, [status(404)], {}],
    [undefined, [failure('PF_CLIENT_CLOSED', {})], {}],
    [undefined, [failure('PF_NO_ENDPOINT', {})], {}],
    ['attempts', [RESET], {}],
    ['attempts', [status(503)], {}],
    ['policy', [RESET], { method: 'POST' }],
    ['policy', [status(503)], { method: 'POST' }],
    ['content', [reader], { method: 'PUT', body: long }],
    ['deadline', [later], { outlook: nowhere }],
    ['breaker', [RESET], { breaker: { wouldRefuse: () => true } }],
    ['all-failing', [RESET], { outlook: { ...OUTLOOK, failingForMs: 101 } }],
    ['limit', [RESET], { load: { admitsRetry: () => false } }],
    ['budget', [RESET], { budget: new RetryBudget({ ratio: 0, minPerSecond: 0 }) }],
  ];

  it.each(rows)('is noted: %s, %#', async (why, outcomes, options) => {
    await run(outcomes, options);
    expect(refusals).toEqual(why === undefined ? [] : [why]);
  });
});

describe('Retry-After', () => {
  const asking = (value: string): ProxyResponse => new ProxyResponse(503, Headers.of(['Retry-After', value]));

  it('is not waited for where the retry goes elsewhere', async () => {
    expect(await run([asking('2'), status(200)])).toBe(200);
    expect((tries[1] ?? 0) - (tries[0] ?? 0)).toBe(0);
  });

  it('is waited for where there is nowhere else, its place in the budget taken meanwhile', async () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 10 });
    let leftMeanwhile = 1;
    clock.setTimer(1_000, () => (leftMeanwhile = budget.ratioLeft(clock.now())));
    const outlook = { failingForMs: 0, hasOtherThan: () => false };
    expect(await run([asking('2'), status(200)], { budget, outlook })).toBe(200);
    expect((tries[1] ?? 0) - (tries[0] ?? 0)).toBe(2_000);
    expect(leftMeanwhile).toBeLessThan(1);
  });

  it('is waited for once all endpoints were asked', async () => {
    const busy = (request: ProxyRequest): Promise<ProxyResponse> => {
      request.attempts.push({ endpoint: `10.0.0.${tries.length}:80`, result: 503 });
      return Promise.resolve(asking('5'));
    };
    expect(await run([busy, busy, status(200)])).toBe(200);
    const [first = 0, second = 0, third = 0] = tries;
    expect([second - first, third - second]).toEqual([0, 5_000]);
  });

  it.each([
    ['longer than the time that is left', '15', 1],
    ['longer than a caller waits', '3', 1],
    ['a date', 'Wed, 21 Oct 2026 07:28:00 GMT', 2],
    ['nothing that was meant', '-1', 2],
  ])('%s is not', async (what, value, expected) => {
    const fields = what.includes('caller') ? [['x-request-timeout-ms', '2500'] as const] : [];
    await run([asking(value), status(200)], { outlook: { failingForMs: 0, hasOtherThan: () => false }, fields });
    expect(tries).toHaveLength(expected);
    expect((tries.at(-1) ?? 0) - (tries[0] ?? 0)).toBe(0);
  });
});

describe('what the caller says', () => {
  const never = (request: ProxyRequest): Promise<ProxyResponse> =>
    new Promise((_, reject) => request.workedOnBy({ abort: reject }));

  it.each([
    ['x-request-timeout-ms', '2000', 2_000],
    ['grpc-timeout', '2S', 2_000],
    ['grpc-timeout', '1500000u', 1_500],
    ['x-request-timeout-ms', '60000', 15_000],
    ['x-request-timeout-ms', '0', 15_000],
    ['x-request-timeout-ms', '1e3', 15_000],
    ['x-request-timeout-ms', '99999999999999', 15_000],
    ['grpc-timeout', '2', 15_000],
  ])('%s: %s bounds the request by %i ms', async (name, value, expected) => {
    const startMs = clock.now();
    let endMs = 0;
    const outcome = (request: ProxyRequest): Promise<ProxyResponse> =>
      never(request).finally(() => (endMs = clock.now()));
    expect(await run([outcome], { fields: [[name, value]] })).toBe('PF_TIMEOUT');
    expect(endMs - startMs).toBeGreaterThanOrEqual(expected);
    expect(endMs - startMs).toBeLessThanOrEqual(expected * 1.07 + 50);
  });

  it('bounds a request that has no deadline of ours', async () => {
    expect(await run([never], { requestMs: 0, fields: [['x-request-timeout-ms', '100']] })).toBe('PF_TIMEOUT');
  });

  it('that it tries again itself leaves us what was certainly not executed', async () => {
    const fields = [['x-request-attempt', '2']] as const;
    expect(await run([RESET, status(200)], { fields })).toBe('PF_UPSTREAM_CLOSED');
    tries = [];
    expect(await run([status(503), status(200)], { fields })).toBe(503);
    expect(await run([NEVER_SENT, NEVER_SENT, status(200)], { fields })).toBe(200);
  });

  it.each(['1', '0', 'x', '99999'])('as attempt %s changes nothing', async (value) => {
    expect(await run([RESET, status(200)], { fields: [['x-request-attempt', value]] })).toBe(200);
  });
});

describe('an Idempotency-Key', () => {
  const fields = [['Idempotency-Key', '"8e03978e"']] as const;

  it('makes a POST repeatable where configuration says so', async () => {
    expect(await run([RESET, status(200)], { method: 'POST', fields, options: { idempotencyKey: true } })).toBe(200);
    tries = [];
    expect(await run([RESET, status(200)], { method: 'POST', fields })).toBe('PF_UPSTREAM_CLOSED');
    tries = [];
    expect(await run([RESET, status(200)], { method: 'POST', options: { idempotencyKey: true } })).toBe(
      'PF_UPSTREAM_CLOSED',
    );
  });
});

describe('a body', () => {
  it('is given to each attempt anew', async () => {
    const seen: string[] = [];
    const take = (request: ProxyRequest): Promise<ProxyResponse> => {
      seen.push((request.body.takeWhole(100)?.content ?? []).map(String).join(''));
      return Promise.reject(NEVER_SENT);
    };
    await run([take], { method: 'POST', body: Body.of(Buffer.from('content')) });
    expect(seen).toEqual(['content', 'content', 'content']);
  });

  it('of which too much was read ends the tries', async () => {
    const body = new Body(undefined, undefined);
    const take = (request: ProxyRequest): Promise<ProxyResponse> => {
      request.body.read(IGNORE);
      body.push(Buffer.alloc(70_000));
      return Promise.reject(RESET);
    };
    await run([take], { method: 'PUT', body });
    expect(tries).toHaveLength(1);
  });

  it('that is too long to hold is tried again while it was not read', async () => {
    const body = new Body(undefined, 10_000_000);
    expect(await run([NEVER_SENT, status(200)], { method: 'POST', body })).toBe(200);
    expect(tries).toHaveLength(2);
  });

  it('of an upgrade is left alone', async () => {
    const body = new Body(undefined, undefined);
    const request = makeRequest('GET', body, clock.now());
    request.isUpgrade = true;
    const layer = retry(UPSTREAM_DEFAULTS.retry, {
      clock,
      deadlines: new DeadlineLists(clock),
      budget: new RetryBudget({ ratio: 0, minPerSecond: 100 }),
      requestMs: 0,
      outlook: OUTLOOK,
      load: LOAD,
    });
    await layer((seen) => Promise.resolve(status(seen.body === body ? 101 : 500)))(request);
    expect(request.body).toBe(body);
  });
});

describe('a deadline as a layer', () => {
  it('aborts the request when its time is over, and is gone when the answer is there', async () => {
    const layer = deadline(2_000, clock, new DeadlineLists(clock));
    const slow = makeRequest('GET', Body.empty, clock.now());
    const ended = layer(
      (request) => new Promise((_, reject) => request.workedOnBy({ abort: (reason) => reject(reason) })),
    )(slow).catch((error: unknown) => error);
    await clock.advance(2_200);
    expect(await ended).toMatchObject({ code: 'PF_TIMEOUT', status: 504 });
    await layer(() => Promise.resolve(status(200)))(makeRequest('GET', Body.empty, clock.now()));
    await clock.advance(5_000);
    expect(clock.timers).toBe(0);
  });
});
