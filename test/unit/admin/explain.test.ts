import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/admin/explain.ts';
import type { AdminSources } from '../../../src/admin/sources.ts';
import type { RequestQuestion } from '../../../src/runtime/explain.ts';

function ask(query: string) {
  const asked: RequestQuestion[] = [];
  const sources = {
    explain: (question: RequestQuestion) => {
      asked.push(question);
      return { outcome: 'sent' };
    },
    decisions: (last: number) => [`the last ${last}`],
  } as Partial<AdminSources> as AdminSources;
  const { status, body } = explain(sources, { query: new URLSearchParams(query) });
  return { status, body: JSON.parse(body) as Record<string, unknown>, asked };
}

describe('GET /explain', () => {
  it('takes a request apart into what the sidecar is asked', () => {
    const { status, body, asked } = ask('host=orders&path=/v1/7%3Fx=1&method=POST&header=X-A:%201&header=x-b:2');
    expect([status, body]).toEqual([200, { outcome: 'sent' }]);
    const headers = [
      ['X-A', '1'],
      ['x-b', '2'],
    ];
    expect(asked).toEqual([{ host: 'orders', target: '/v1/7?x=1', method: 'POST', headers }]);
  });

  it('fills in GET /', () => {
    expect(ask('host=orders').asked).toEqual([{ host: 'orders', target: '/', method: 'GET', headers: [] }]);
  });

  it('gives the last decisions, alone or beside an explanation, at most a thousand', () => {
    expect(ask('last=20').body).toEqual({ decisions: ['the last 20'] });
    expect(ask('host=a&last=9999').body).toEqual({ outcome: 'sent', decisions: ['the last 1000'] });
  });

  it.each([
    '',
    'path=/',
    'host=a&hots=b',
    'last=all',
    'last=-1',
    'host=a&header=x',
    'host=a&header=x:a%0d%0ab',
    'host=a&header=:y',
  ])('refuses a question that cannot be read: %s', (query) => {
    const { status, asked } = ask(query);
    expect([status, asked]).toEqual([422, []]);
  });
});
