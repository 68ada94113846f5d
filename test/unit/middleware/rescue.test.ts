import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { rescue } from '../../../src/middleware/rescue.ts';
import { aRequest } from '../../support/messages.ts';
import { bytesOf } from '../../../src/http/body.ts';
import type { ProxyResponse } from '../../../src/http/message.ts';

const noBug = (): void => {
  throw new Error('this is no bug');
};

function json(response: ProxyResponse): unknown {
  const whole = response.body.takeWhole(65_536);
  return JSON.parse(Buffer.concat(whole?.content.map(bytesOf) ?? []).toString('utf8'));
}

describe('rescue', () => {
  it('answers with a problem that carries the code', () => {
    const request = aRequest();
    request.id = 'r1';
    const response = rescue(new ProxyError('PF_NO_ROUTE', 'no service is called "nope"'), request, noBug);
    expect([response.status, response.code, response.headers.get('x-pilotfish-code')]).toEqual([
      404,
      'PF_NO_ROUTE',
      'PF_NO_ROUTE',
    ]);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(json(response)).toMatchObject({
      status: 404,
      code: 'PF_NO_ROUTE',
      detail: 'no service is called "nope"',
      requestId: 'r1',
    });
  });

  it('says in whole seconds when to come back, where the error knows', () => {
    for (const [retryAfterMs, text] of [
      [0, '1'],
      [250, '1'],
      [1_001, '2'],
      [undefined, undefined],
    ] as const) {
      const error = new ProxyError('PF_BREAKER_OPEN', 'open', retryAfterMs === undefined ? {} : { retryAfterMs });
      expect(rescue(error, aRequest(), noBug).headers.get('retry-after')).toBe(text);
    }
  });

  it('keeps the error beside the answer, for the log', () => {
    const error = new ProxyError('PF_NO_ROUTE', 'no service is called "nope"');
    expect(rescue(error, aRequest(), noBug).failure).toBe(error);
    const bug = new TypeError('x is undefined');
    expect(rescue(bug, aRequest(), () => undefined).failure?.cause).toBe(bug);
  });

  it('tells callers from outside no more than the code says', () => {
    const response = rescue(
      new ProxyError('PF_APP_DOWN', 'connect ECONNREFUSED 127.0.0.1:3000'),
      aRequest({ direction: 'inbound' }),
      noBug,
    );
    expect(JSON.stringify(json(response))).not.toContain('3000');
  });

  it('makes 500 of what is no ProxyError and hands the bug on, once', () => {
    const bugs: unknown[] = [];
    const bug = new TypeError('x is undefined');
    const response = rescue(bug, aRequest(), (seen) => bugs.push(seen));
    expect([response.status, response.code, bugs]).toEqual([500, 'PF_INTERNAL', [bug]]);
    expect(JSON.stringify(json(response))).not.toContain('undefined');
  });

  it('speaks gRPC to gRPC clients: 200 with a status in the fields', () => {
    const request = aRequest({ headers: [['content-type', 'application/grpc+proto']] });
    const response = rescue(new ProxyError('PF_TIMEOUT', 'ümlaut\n'), request, noBug);
    expect([response.status, response.headers.get('grpc-status'), response.body.isEmpty]).toEqual([200, '4', true]);
    expect(response.headers.get('grpc-message')).toBe('PF_TIMEOUT:%20%C3%BCmlaut%0A');
  });

  it('speaks GraphQL to GraphQL clients', () => {
    const request = aRequest({ headers: [['accept', 'application/graphql-response+json, application/json;q=0.9']] });
    const response = rescue(new ProxyError('PF_NO_ENDPOINT', 'nobody there'), request, noBug);
    expect(json(response)).toEqual({
      errors: [{ message: 'nobody there', extensions: { code: 'PF_NO_ENDPOINT', requestId: '' } }],
    });
  });

  it('knows GraphQL clients that say nothing of it by what they ask for', () => {
    const json: [string, string] = ['content-type', 'application/json; charset=utf-8'];
    const error = new ProxyError('PF_NO_ENDPOINT', 'nobody there');
    const typeFor = (options: Parameters<typeof aRequest>[0]): string | undefined =>
      rescue(error, aRequest(options), noBug).headers.get('content-type');
    expect(typeFor({ method: 'POST', path: '/api/graphql', headers: [json] })).toBe('application/json');
    expect(typeFor({ path: '/graphql', query: '?a=1&query=%7Ba%7D' })).toBe('application/json');
    expect(typeFor({ path: '/graphql' })).toBe('application/problem+json');
    expect(typeFor({ method: 'POST', path: '/graphqlx', headers: [json] })).toBe('application/problem+json');
  });

  it('uses the more exact status of a bad request, and says what is allowed', () => {
    const response = rescue(
      new ProxyError('PF_BAD_REQUEST', 'CONNECT is not served', { status: 405 }),
      undefined,
      noBug,
    );
    expect([response.status, response.headers.has('allow')]).toEqual([405, true]);
  });
});
