import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { ProxyResponse } from '../../../src/http/message.ts';
import type { DownstreamEnd } from '../../../src/http/serving.ts';
import { AccessLogHooks } from '../../../src/middleware/access-log.ts';
import type { LineSink } from '../../../src/telemetry/line-sink.ts';
import { LineWriter } from '../../../src/telemetry/line-writer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { aRequest } from '../../support/messages.ts';

const OK: DownstreamEnd = {
  response: new ProxyResponse(200),
  error: undefined,
  receivedBytes: 3,
  sentBytes: 64,
  endedAtMs: 11.5,
};

/** An access log whose text is there at once. */
function anAccessLog(): { hooks: AccessLogHooks; text: () => string } {
  let text = '';
  const sink: LineSink = {
    write: () => {},
    writeSync: (bytes) => {
      text += Buffer.from(bytes).toString('latin1');
      return bytes.length;
    },
    reopen: async () => {},
    close: async () => {},
  };
  const clock = new FakeClock();
  const writer = new LineWriter(sink, clock);
  return {
    hooks: new AccessLogHooks(writer, clock),
    text: () => {
      writer.flushSync();
      return text;
    },
  };
}

function only(text: string): Record<string, unknown> {
  expect(text).toMatch(/^[ -~]+\n$/);
  return JSON.parse(text) as Record<string, unknown>;
}

describe('an access line', () => {
  test('has everything that is known of a request that went well', () => {
    const { hooks, text } = anAccessLog();
    const request = aRequest({
      method: 'POST',
      authority: 'orders:80',
      path: '/v1/7',
      query: '?token=secret',
      peer: '10.1.2.3',
      receivedAtMs: 10,
      headers: [
        ['User-Agent', 'curl/8.1.2'],
        ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
      ],
    });
    request.upstream = 'orders';
    request.id = 'id-1';
    request.pickedAtMs = 10.1;
    request.connectedAtMs = 10.25;
    request.answeredAtMs = 11.25;
    request.attempts.push({ endpoint: '10.0.0.7:8080', result: 200 });
    hooks.complete(request, OK);
    expect(only(text())).toEqual({
      log: 'access',
      time: '2023-11-14T22:13:21.000Z',
      direction: 'outbound',
      upstream: 'orders',
      peer: '10.1.2.3',
      method: 'POST',
      authority: 'orders:80',
      path: '/v1/7',
      protocol: 'HTTP/1.1',
      status: 200,
      flags: '-',
      endpoint: '10.0.0.7:8080',
      attempts: 1,
      durationMs: { total: 1.5, queue: 0.1, connect: 0.15, firstByte: 1 },
      receivedBytes: 3,
      sentBytes: 64,
      requestId: 'id-1',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      userAgent: 'curl/8.1.2',
    });
  });

  test('leaves out what was not reached', () => {
    const { hooks, text } = anAccessLog();
    hooks.complete(aRequest({ receivedAtMs: 10, httpVersion: 20 }), {
      ...OK,
      response: new ProxyResponse(404, undefined, undefined, 'PF_NO_ROUTE'),
    });
    expect(only(text())).toEqual({
      log: 'access',
      time: '2023-11-14T22:13:21.000Z',
      direction: 'outbound',
      upstream: 'unknown',
      peer: '127.0.0.1',
      method: 'GET',
      authority: 'orders',
      path: '/',
      protocol: 'HTTP/2',
      status: 404,
      flags: 'NR',
      code: 'PF_NO_ROUTE',
      attempts: 0,
      durationMs: { total: 1.5 },
      receivedBytes: 3,
      sentBytes: 64,
    });
  });

  test('lists the tries where there were several', () => {
    const { hooks, text } = anAccessLog();
    const request = aRequest();
    request.attempts.push({ endpoint: 'a:1', result: 503 }, { endpoint: 'b:1', result: 'PF_CONNECT_FAILED' });
    hooks.complete(request, { ...OK, response: new ProxyResponse(502, undefined, undefined, 'PF_CONNECT_FAILED') });
    expect(only(text())).toMatchObject({
      flags: 'UF,URX',
      code: 'PF_CONNECT_FAILED',
      endpoint: 'b:1',
      attempts: 2,
      tries: [
        { endpoint: 'a:1', result: 503 },
        { endpoint: 'b:1', result: 'PF_CONNECT_FAILED' },
      ],
    });
  });

  test('a client that went away is a 499', () => {
    const { hooks, text } = anAccessLog();
    const request = aRequest();
    request.attempts.push({ endpoint: 'a:1', result: undefined });
    hooks.complete(request, { ...OK, response: undefined, error: new ProxyError('PF_CLIENT_CLOSED', 'gone') });
    expect(only(text())).toMatchObject({ status: 499, flags: 'DC', code: 'PF_CLIENT_CLOSED', attempts: 1 });
  });

  test('says what happened, down to the root, where the sidecar answered itself or the answer broke off', () => {
    const root = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:80'), { code: 'ECONNREFUSED' });
    const failure = new ProxyError('PF_CONNECT_FAILED', 'endpoint 10.0.0.7:80\u2028', { cause: root });
    const response = new ProxyResponse(502, undefined, undefined, 'PF_CONNECT_FAILED');
    response.failure = failure;
    for (const end of [
      { ...OK, response },
      { ...OK, error: failure },
    ]) {
      const { hooks, text } = anAccessLog();
      hooks.complete(aRequest(), end);
      expect(only(text())['reason']).toBe('endpoint 10.0.0.7:80\u2028: connect ECONNREFUSED 10.0.0.7:80');
    }
    const { hooks, text } = anAccessLog();
    hooks.complete(aRequest(), OK);
    expect(only(text())).not.toHaveProperty('reason');
  });

  test('a message that never became a request has a line, too', () => {
    const { hooks, text } = anAccessLog();
    hooks.refused('inbound', new ProxyError('PF_BAD_REQUEST', 'bare "CR"\r', { status: 431 }), '::1', 120);
    expect(only(text())).toEqual({
      log: 'access',
      time: '2023-11-14T22:13:21.000Z',
      direction: 'inbound',
      upstream: 'unknown',
      peer: '::1',
      status: 431,
      flags: 'DPE',
      code: 'PF_BAD_REQUEST',
      attempts: 0,
      receivedBytes: 0,
      sentBytes: 120,
      reason: 'bare "CR"\r',
    });
  });

  test('a traceparent that is none is left out', () => {
    for (const traceparent of ['', '00-xyz', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', '"}\n{']) {
      const { hooks, text } = anAccessLog();
      hooks.complete(aRequest({ headers: [['traceparent', traceparent]] }), OK);
      expect(only(text())).not.toHaveProperty('traceId');
    }
  });

  test('whatever stands in a request, it is one line of JSON with the same values, at most so long', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary', minLength: 300, maxLength: 3_000 }),
    );
    fc.assert(
      fc.property(text, text, text, text, text, text, (method, authority, path, peer, id, userAgent) => {
        const { hooks, text: written } = anAccessLog();
        const request = aRequest({ method, authority, path, peer, headers: [['user-agent', userAgent]] });
        request.id = id;
        request.upstream = authority;
        request.attempts.push({ endpoint: authority, result: 200 }, { endpoint: peer, result: 200 });
        hooks.complete(request, OK);
        const line = written();
        expect(line.length).toBeLessThan(65_536);
        const parsed = only(line);
        const cut = (value: string, max: number): string => (value.length > max ? `${value.slice(0, max)}...` : value);
        expect(parsed).toMatchObject({
          method: cut(method, 256),
          authority: cut(authority, 256),
          upstream: cut(authority, 256),
          path: cut(path, 2_048),
          peer: cut(peer, 256),
          endpoint: cut(peer, 256),
          userAgent: cut(userAgent, 256),
          ...(id === '' ? {} : { requestId: cut(id, 256) }),
        });
      }),
      { numRuns: 100 },
    );
  });
});
