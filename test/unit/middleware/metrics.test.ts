import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CODES, ProxyError, type ErrorCode } from '../../../src/errors.ts';
import { ProxyResponse, type ProxyRequest } from '../../../src/http/message.ts';
import type { DownstreamEnd } from '../../../src/http/serving.ts';
import { MetricsHooks } from '../../../src/middleware/metrics.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { MAX_SERIES } from '../../../src/telemetry/series-table.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { aRequest } from '../../support/messages.ts';

const CODE_NAMES = Object.keys(CODES) as ErrorCode[];

function end(fields: Partial<DownstreamEnd> = {}): DownstreamEnd {
  return {
    response: new ProxyResponse(200),
    error: undefined,
    receivedBytes: 0,
    sentBytes: 0,
    endedAtMs: 20,
    ...fields,
  };
}

function setUp(): { metrics: Metrics; hooks: MetricsHooks; lines: () => Promise<string[]> } {
  const metrics = new Metrics(new FakeClock({ startMs: 20 }));
  return {
    metrics,
    hooks: new MetricsHooks(metrics),
    lines: async () => (await metrics.render()).body.split('\n').filter((line) => /^pilotfish_.*[ }]/.test(line)),
  };
}

function ordersRequest(attempts: readonly (number | ErrorCode | undefined)[] = []): ProxyRequest {
  const request = aRequest({ receivedAtMs: 10 });
  request.upstream = 'orders';
  for (const result of attempts) request.attempts.push({ endpoint: '10.0.0.7:80', result });
  return request;
}

describe('the metrics hook', () => {
  test('counts a request, its bytes, its duration and its tries', async () => {
    const { hooks, lines } = setUp();
    hooks.complete(ordersRequest(['PF_CONNECT_FAILED', 200]), end({ receivedBytes: 5, sentBytes: 64, endedAtMs: 14 }));
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'pilotfish_requests_total{direction="outbound",upstream="orders",code_class="2xx",flag="-"} 1',
        'pilotfish_request_received_bytes_total{direction="outbound",upstream="orders"} 5',
        'pilotfish_request_sent_bytes_total{direction="outbound",upstream="orders"} 64',
        'pilotfish_request_duration_seconds_bucket{le="0.0025",direction="outbound",upstream="orders"} 0',
        'pilotfish_request_duration_seconds_bucket{le="0.005",direction="outbound",upstream="orders"} 1',
        'pilotfish_request_duration_seconds_bucket{le="+Inf",direction="outbound",upstream="orders"} 1',
        'pilotfish_request_duration_seconds_sum{direction="outbound",upstream="orders"} 0.004',
        'pilotfish_request_duration_seconds_count{direction="outbound",upstream="orders"} 1',
        'pilotfish_upstream_attempts_total{upstream="orders",outcome="connect_failed"} 1',
        'pilotfish_upstream_attempts_total{upstream="orders",outcome="success"} 1',
      ]),
    );
  });

  test('counts an answer that its endpoint broke off as what broke it off, and one that the client left as it began', async () => {
    const { hooks, lines } = setUp();
    const broken = (code: ErrorCode): DownstreamEnd => end({ error: new ProxyError(code, 'in the middle') });
    hooks.complete(ordersRequest(['PF_CONNECT_FAILED', 200]), broken('PF_UPSTREAM_CLOSED'));
    hooks.complete(ordersRequest([200]), broken('PF_CLIENT_CLOSED'));
    expect((await lines()).filter((line) => line.startsWith('pilotfish_upstream_attempts_total'))).toEqual([
      'pilotfish_upstream_attempts_total{upstream="orders",outcome="success"} 1',
      'pilotfish_upstream_attempts_total{upstream="orders",outcome="connect_failed"} 1',
      'pilotfish_upstream_attempts_total{upstream="orders",outcome="upstream_closed"} 1',
    ]);
  });

  test('tells the two directions and the ways of failing apart', async () => {
    const { hooks, lines } = setUp();
    const inbound = aRequest({ direction: 'inbound' });
    inbound.upstream = 'orders';
    hooks.complete(inbound, end({ response: new ProxyResponse(503, undefined, undefined, 'PF_APP_DOWN') }));
    hooks.complete(ordersRequest([503, 503]), end({ response: new ProxyResponse(503) }));
    hooks.complete(
      ordersRequest([undefined]),
      end({ response: undefined, error: new ProxyError('PF_CLIENT_CLOSED', 'x') }),
    );
    const counted = (await lines()).filter((line) => /^pilotfish_(requests|upstream_attempts)_total/.test(line));
    expect(counted).toEqual([
      'pilotfish_requests_total{direction="inbound",upstream="orders",code_class="5xx",flag="UH"} 1',
      'pilotfish_requests_total{direction="outbound",upstream="orders",code_class="4xx",flag="DC"} 1',
      'pilotfish_requests_total{direction="outbound",upstream="orders",code_class="5xx",flag="URX"} 1',
      'pilotfish_upstream_attempts_total{upstream="orders",outcome="5xx"} 2',
      'pilotfish_upstream_attempts_total{upstream="orders",outcome="abandoned"} 1',
    ]);
  });

  test('a tunnel counts with the time that it took to open', async () => {
    const { hooks, lines } = setUp();
    const request = ordersRequest([101]);
    request.answeredAtMs = 12;
    const response = new ProxyResponse(101);
    response.isTunnel = true;
    hooks.complete(request, end({ response, endedAtMs: 3_600_000 }));
    expect(await lines()).toContain(
      'pilotfish_request_duration_seconds_sum{direction="outbound",upstream="orders"} 0.002',
    );
  });

  test('a name that no label may have comes out escaped', async () => {
    const { hooks, lines } = setUp();
    const request = ordersRequest();
    request.upstream = 'a"b\\c\nd';
    hooks.complete(request, end());
    expect(await lines()).toContain(
      'pilotfish_request_sent_bytes_total{direction="outbound",upstream="a\\"b\\\\c\\nd"} 0',
    );
  });

  test('whatever clients send, only the name of the upstream makes a new series', async () => {
    const text = fc.string({ unit: 'binary' });
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            method: text,
            authority: text,
            path: text,
            query: text,
            peer: text,
            headers: fc.array(fc.tuple(text, text), { maxLength: 3 }),
            upstream: fc.constantFrom('orders', 'unknown'),
            direction: fc.constantFrom('inbound', 'outbound'),
            status: fc.integer({ min: 0, max: 999 }),
            code: fc.constantFrom(undefined, ...CODE_NAMES),
            error: fc.constantFrom(undefined, ...CODE_NAMES),
            attempts: fc.array(fc.oneof(fc.nat({ max: 999 }), fc.constantFrom(undefined, ...CODE_NAMES)), {
              maxLength: 4,
            }),
          }),
        ),
        async (requests) => {
          const { metrics, hooks, lines } = setUp();
          for (const { upstream, status, code, error, attempts, ...fields } of requests) {
            const request = aRequest(fields);
            request.upstream = upstream;
            for (const result of attempts) request.attempts.push({ endpoint: fields.authority, result });
            hooks.complete(
              request,
              end({
                response: new ProxyResponse(status, undefined, undefined, code),
                error: error === undefined ? undefined : new ProxyError(error, fields.path),
              }),
            );
          }
          expect(metrics.inbound.size + metrics.outbound.size + metrics.attempts.size).toBeLessThanOrEqual(6);
          const page = await lines();
          for (const line of page) {
            expect(line).toMatch(/^[a-z_]+(\{([a-z_]+="(orders|unknown|[a-z0-9_.,+A-Z-]+)",?)*\})? [-+.eE0-9]+$/);
          }
          const total = page
            .filter((line) => line.startsWith('pilotfish_requests_total'))
            .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
          expect(total).toBe(requests.length);
        },
      ),
      { numRuns: 15 },
    );
  });

  test('even if a bug let names through, there is a bound', () => {
    const { metrics, hooks } = setUp();
    for (let n = 0; n < MAX_SERIES + 100; n++) {
      const request = ordersRequest([200]);
      request.upstream = `name-${n}`;
      hooks.complete(request, end());
    }
    expect(metrics.outbound.size).toBe(MAX_SERIES + 1);
    expect(metrics.attempts.size).toBe(MAX_SERIES + 1);
  });
});
