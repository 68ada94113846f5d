import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { ProxyResponse, type ProxyRequest } from '../../../src/http/message.ts';
import { ConcurrencyLimit } from '../../../src/resilience/concurrency-limit.ts';
import { concurrencyLimitLayer } from '../../../src/resilience/concurrency-limit-layer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeRequest } from '../upstream/fakes.ts';

const OPTIONS = {
  minLimit: 1,
  maxLimit: 100,
  initialLimit: 2,
  percentile: 0.5,
  tolerance: 0.25,
  windowMs: 100,
  measure: { intervalMs: 30_000, jitter: 0, requests: 10 },
};

/** A layer over a handler that answers when the test says so. */
function open() {
  const clock = new FakeClock();
  const limit = new ConcurrencyLimit(OPTIONS, clock);
  const pending: { request: ProxyRequest; answer: (status: number) => void; fail: (error: unknown) => void }[] = [];
  const handle = concurrencyLimitLayer(
    limit,
    'orders',
    clock,
  )(
    (request) =>
      new Promise((resolve, reject) => {
        request.pickedAtMs = clock.now();
        const answer = (status: number): void => {
          request.answeredAtMs = clock.now();
          resolve(new ProxyResponse(status));
        };
        pending.push({ request, answer, fail: reject });
      }),
  );
  const send = (): Promise<number | string> =>
    handle(makeRequest('GET')).then(
      ({ status }) => status,
      (error: unknown) => (error instanceof ProxyError ? error.code : 'bug'),
    );
  return { clock, limit, pending, send };
}

describe('the layer of an adaptive limit', () => {
  it('refuses what is beyond the limit at once, as what is not tried again', async () => {
    const { limit, pending, send } = open();
    const first = [send(), send()];
    expect(await send()).toBe('PF_OVERFLOW');
    expect([pending.length, limit.inFlight, limit.rejected]).toEqual([2, 2, 1]);
    for (const { answer } of pending) answer(200);
    expect(await Promise.all(first)).toEqual([200, 200]);
    expect(limit.inFlight).toBe(0);
  });

  it('gives the place back however a request ends', async () => {
    const { limit, pending, send } = open();
    const ends = [new ProxyError('PF_CLIENT_CLOSED', 'gone'), new ProxyError('PF_TIMEOUT', 'late'), new Error('bug')];
    for (const error of ends) {
      const sent = send();
      pending.at(-1)?.fail(error);
      await sent;
    }
    const sent = send();
    pending.at(-1)?.answer(503);
    expect([await sent, limit.inFlight]).toEqual([503, 0]);
  });

  it('measures from when the upstream could have answered, by good answers alone', async () => {
    const { clock, limit, pending, send } = open();
    const upload = async (status: number): Promise<void> => {
      const sent = send();
      const last = pending.at(-1);
      await clock.advance(500);
      if (last !== undefined) last.request.contentAtMs = clock.now(); // the client was that slow
      await clock.advance(status === 200 ? 30 : 1);
      last?.answer(status);
      await sent;
    };
    for (const refusal of [503, 429, 503, 429, 429]) await upload(refusal);
    expect(limit.describe().minRttMs).toBeUndefined();
    for (let n = 0; n < 10; n++) await upload(200);
    expect(limit.describe()).toMatchObject({ minRttMs: 30, isMeasuring: false });
  });
});
