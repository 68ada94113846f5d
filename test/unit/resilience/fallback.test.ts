import { beforeEach, describe, expect, it } from 'vitest';
import { FALLBACK_REASONS } from '../../../src/config/schema/upstream-fallback.ts';
import { ProxyError, type ErrorCode, type ErrorFacts } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { writeCallFields } from '../../../src/http/call-fields.ts';
import { ProxyResponse, type Handler, type ProxyRequest } from '../../../src/http/message.ts';
import { Fallback } from '../../../src/resilience/fallback.ts';
import { Decisions } from '../../../src/upstream/decisions.ts';
import { UPSTREAM_DEFAULTS, type FallbackOptions } from '../../../src/upstream/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeRequest } from '../upstream/fakes.ts';

const AT = { endpoint: '10.0.0.1:80' };
const ANSWER = { status: 200, headers: { 'content-type': 'text/plain' }, body: { content: () => Buffer.from('calm') } };

let clock: FakeClock;
let decisions: Decisions;
/** What the other upstream was given. */
let elsewhere: { request: ProxyRequest; content: string }[];

beforeEach(() => {
  clock = new FakeClock();
  decisions = new Decisions();
  elsewhere = [];
});

function failure(code: ErrorCode, facts: ErrorFacts = {}): ProxyError {
  return new ProxyError(code, code, facts);
}

/** Reads what is there and answers 200. */
const other: Handler = (request) => {
  const chunks: Buffer[] = [];
  request.body.read({ onData: (chunk) => chunks.push(chunk), onEnd: () => undefined, onError: () => undefined });
  elsewhere.push({ request, content: Buffer.concat(chunks).toString() });
  return Promise.resolve(new ProxyResponse(200));
};

function fallbackOf(options: Partial<FallbackOptions>, next: Handler): Fallback {
  const all = { reasons: FALLBACK_REASONS, statuses: [503], answer: undefined, upstream: undefined, ...options };
  const context = { clock, retry: UPSTREAM_DEFAULTS.retry, decisions, callOf: () => ({ handle: other }) };
  return new Fallback(all, context, next);
}

/** What the caller is given: a status, or the code of an error. */
async function run(handle: Handler, request: ProxyRequest): Promise<number | string> {
  try {
    return (await handle(request)).status;
  } catch (error) {
    return error instanceof ProxyError ? error.code : 'bug';
  }
}

const failing =
  (error: Error): Handler =>
  () =>
    Promise.reject(error);

describe('another upstream is given', () => {
  const sent = { ...AT, requestSent: true };
  const unsent = { ...AT, requestSent: false };
  it.each<[string, string, Error | number, boolean]>([
    ['an open breaker', 'POST', failure('PF_BREAKER_OPEN'), true],
    ['no endpoint', 'POST', failure('PF_NO_ENDPOINT'), true],
    ['a sidecar that did not execute it', 'POST', failure('PF_APP_DOWN', unsent), true],
    ['a refused connection', 'POST', failure('PF_CONNECT_FAILED', unsent), true],
    ['a timeout before anything was sent', 'POST', failure('PF_TIMEOUT', unsent), true],
    ['a timeout', 'GET', failure('PF_TIMEOUT', sent), true],
    ['a timeout', 'POST', failure('PF_TIMEOUT', sent), false],
    ['a reset', 'PUT', failure('PF_UPSTREAM_CLOSED', sent), true],
    ['a reset', 'POST', failure('PF_UPSTREAM_CLOSED', sent), false],
    ['no valid answer', 'DELETE', failure('PF_UPSTREAM_PROTOCOL', sent), true],
    ['no valid answer', 'PATCH', failure('PF_UPSTREAM_PROTOCOL', sent), false],
    ['a full pool', 'POST', failure('PF_OVERFLOW', unsent), true],
    ['503', 'GET', 503, true],
    ['503', 'POST', 503, false],
    ['500, which is not listed', 'GET', 500, false],
    ['404', 'GET', 404, false],
    ['an unknown name', 'GET', failure('PF_NO_ROUTE'), false],
    ['a client that went away', 'GET', failure('PF_CLIENT_CLOSED', sent), false],
    ['a bug', 'GET', new Error('bug'), false],
  ])('what met %s (%s)', async (_what, method, met, isElsewhere) => {
    const next =
      typeof met === 'number' ? (): Promise<ProxyResponse> => Promise.resolve(new ProxyResponse(met)) : failing(met);
    const fallback = fallbackOf({ upstream: 'standby' }, next);
    const given = await run(fallback.handle, makeRequest(method, Body.empty, clock.now()));
    expect(elsewhere).toHaveLength(isElsewhere ? 1 : 0);
    const itself = typeof met === 'number' ? met : met instanceof ProxyError ? met.code : 'bug';
    expect(given).toBe(isElsewhere ? 200 : itself);
  });

  it('the whole content, and what the caller said of attempts and time', async () => {
    const request = makeRequest('POST', Body.of(Buffer.from('all of it')), clock.now());
    request.headers.append('X-Request-Timeout-Ms', '700');
    const fallback = fallbackOf({ upstream: 'standby' }, (given) => {
      given.body.read({ onData: () => undefined, onEnd: () => undefined, onError: () => undefined });
      given.attempts.push({ endpoint: '10.0.0.1:80', result: 'PF_CONNECT_FAILED' });
      writeCallFields(given.headers, 3, '12');
      return Promise.reject(failure('PF_CONNECT_FAILED', { ...AT, requestSent: false }));
    });
    expect(await run(fallback.handle, request)).toBe(200);
    expect(elsewhere[0]?.content).toBe('all of it');
    expect(request.headers.get('x-request-attempt')).toBeUndefined();
    expect(request.headers.get('x-request-timeout-ms')).toBe('700');
    expect(request).toMatchObject({
      firstAttempt: 1,
      fallback: { to: 'standby', cause: 'connect-failed', attemptsBefore: 1 },
    });
  });

  it('nothing of a request that has sent more than is held', async () => {
    const source = new Body(
      { pauseBody: () => undefined, resumeBody: () => undefined, cancelBody: () => undefined },
      undefined,
    );
    const fallback = fallbackOf({ upstream: 'standby' }, (given) => {
      given.body.read({ onData: () => undefined, onEnd: () => undefined, onError: () => undefined });
      source.push(Buffer.alloc(70_000));
      return Promise.reject(failure('PF_UPSTREAM_CLOSED', { ...AT, requestSent: true }));
    });
    expect(await run(fallback.handle, makeRequest('PUT', source, clock.now()))).toBe('PF_UPSTREAM_CLOSED');
    expect(elsewhere).toEqual([]);
  });

  it('nothing once the deadline of the request has passed', async () => {
    const request = makeRequest('GET', Body.empty, clock.now());
    const fallback = fallbackOf({ upstream: 'standby' }, () => {
      request.abort(failure('PF_TIMEOUT', { requestSent: true }));
      return Promise.reject(request.aborted ?? new Error('not aborted'));
    });
    expect(await run(fallback.handle, request)).toBe('PF_TIMEOUT');
    expect(elsewhere).toEqual([]);
  });

  it('a request once: where it fails there too, that is what the caller hears', async () => {
    const last = fallbackOf({ upstream: 'third' }, failing(failure('PF_NO_ENDPOINT')));
    const context = { clock, retry: UPSTREAM_DEFAULTS.retry, decisions, callOf: () => last };
    const options = { reasons: FALLBACK_REASONS, statuses: [], answer: undefined, upstream: 'second' };
    const first = new Fallback(options, context, failing(failure('PF_BREAKER_OPEN')));
    expect(await run(first.handle, makeRequest('GET', Body.empty, clock.now()))).toBe('PF_NO_ENDPOINT');
    expect(elsewhere).toEqual([]);
    expect([first.taken, last.taken]).toEqual([{ 'breaker-open': 1 }, {}]);
  });
});

describe('a fixed answer', () => {
  it('carries the code of what it stands for, whatever the method, and is counted and noted', async () => {
    const fallback = fallbackOf({ answer: ANSWER }, failing(failure('PF_TIMEOUT', { ...AT, requestSent: true })));
    const response = await fallback.handle(makeRequest('POST', Body.empty, clock.now()));
    expect(response).toMatchObject({ status: 200, code: 'PF_TIMEOUT' });
    expect(Object.fromEntries(response.headers.entries())).toEqual({
      'content-type': 'text/plain',
      'X-Pilotfish-Code': 'PF_TIMEOUT',
      'X-Pilotfish-Fallback': 'answer',
    });
    expect(response.body.takeWhole(100)?.content.join('')).toBe('calm');
    expect(fallback.describe(clock.now())).toMatchObject({ to: 'answer 200', taken: { timeout: 1 }, lastAgoMs: 0 });
    expect(decisions.last(1)).toMatchObject([{ kind: 'fallback', to: 'answer 200', cause: 'timeout', requests: 1 }]);
  });

  it('a storm of them is noted once a second, with its size', async () => {
    const fallback = fallbackOf({ answer: ANSWER }, failing(failure('PF_BREAKER_OPEN')));
    const call = async (times: number): Promise<void> => {
      for (let count = 0; count < times; count++) await fallback.handle(makeRequest('GET', Body.empty, clock.now()));
    };
    await call(500);
    await clock.advance(1_001);
    await call(1);
    expect(decisions.last(10).map((decision) => 'requests' in decision && decision.requests)).toEqual([500, 1]);
  });
});
