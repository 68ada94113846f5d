import { describe, expect, test } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { METRICS } from '../../../src/telemetry/metric-catalogue.ts';
import type { MetricsSources } from '../../../src/telemetry/metric-sources.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const SOURCES: MetricsSources = {
  upstreams: () => [
    {
      name: 'orders',
      endpoints: { available: 2, ejected: 1 },
      stalenessMs: 1_500,
      breaker: 'open',
      inFlight: 3,
      connections: { open: 1, opened: 2, closed: { peer: 1 }, stale: 1, overflows: { requests: 1 } },
      fallbacks: { timeout: 1 },
      concurrency: { limit: 64, inFlight: 3, rejected: 2, minRttMs: 10, sampledRttMs: 12.5 },
      hedges: { won: 1, lost: 0, refused: 0 },
    },
    { name: 'say "hi"\n\\', endpoints: {}, retryBudgetRatio: 0.5 },
  ],
  overload: () => ({
    memoryRatio: 0.5,
    memory: 1,
    loop: 0,
    files: 0,
    refused: { inbound: { limit: 1 }, outbound: { limit: 0 } },
  }),
  registry: () => ({ name: 'file', isUp: true, listenerErrors: 2 }),
  registration: () => 'at-risk',
  connections: () => ({ inbound: 4, outbound: 5 }),
  config: () => ({ generation: 7, lastReloadSuccessful: false }),
  logs: () => ({ access: { droppedLines: 9 } }),
};

function metricsWith(sources: MetricsSources | undefined): Metrics {
  const metrics = new Metrics(new FakeClock());
  metrics.sources = sources;
  return metrics;
}

async function linesOf(metrics: Metrics): Promise<string[]> {
  return (await metrics.render()).body.split('\n');
}

describe('the page of metrics', () => {
  test('is the text format, and announces every metric of the catalogue with its type', async () => {
    const page = await metricsWith(undefined).render();
    expect(page.contentType).toContain('text/plain; version=0.0.4');
    for (const [name, facts] of Object.entries(METRICS)) expect(page.body).toContain(`# TYPE ${name} ${facts.type}\n`);
  });

  test('shows what the sources say at the moment of the scrape', async () => {
    const lines = await linesOf(metricsWith(SOURCES));
    expect(lines).toEqual(
      expect.arrayContaining([
        'pilotfish_upstream_endpoints{upstream="orders",state="available"} 2',
        'pilotfish_upstream_endpoints{upstream="orders",state="ejected"} 1',
        'pilotfish_upstream_endpoints{upstream="orders",state="suspect"} 0',
        'pilotfish_upstream_requests_in_flight{upstream="orders"} 3',
        'pilotfish_breaker_state{upstream="orders"} 2',
        'pilotfish_breaker_state{upstream="say \\"hi\\"\\n\\\\"} 0',
        'pilotfish_retry_budget_ratio{upstream="say \\"hi\\"\\n\\\\"} 0.5',
        'pilotfish_registry_up{registry="file"} 1',
        'pilotfish_registry_listener_errors_total{registry="file"} 2',
        'pilotfish_registry_staleness_seconds{upstream="orders"} 1.5',
        'pilotfish_registration_state{state="at-risk"} 1',
        'pilotfish_registration_state{state="registered"} 0',
        'pilotfish_config_last_reload_successful 0',
        'pilotfish_config_generation 7',
        'pilotfish_connections{direction="inbound"} 4',
        'pilotfish_connections{direction="outbound"} 5',
        'pilotfish_log_lines_dropped_total{log="access"} 9',
      ]),
    );
  });

  test('has the labels that the catalogue names, and no others', async () => {
    const metrics = metricsWith(SOURCES);
    metrics.refused('inbound', new ProxyError('PF_BAD_REQUEST', 'x', { status: 431 }), 3);
    metrics.outbound.of('orders', 0).duration.observe(1);
    metrics.attempts.of('orders', 0).count('PF_TIMEOUT');
    const seen = new Set<string>();
    for (const line of await linesOf(metrics)) {
      const match = /^(pilotfish_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? [^ ]+$/.exec(line);
      const facts = METRICS[match?.[1] as keyof typeof METRICS];
      if (match === null) continue;
      expect(facts, line).toBeDefined();
      seen.add(match[1] ?? '');
      const names = [...(match[2] ?? '').matchAll(/(\w+)="/g)].map(([, name]) => name).filter((name) => name !== 'le');
      expect(names.sort()).toEqual([...facts.labels].sort());
    }
    expect([...seen].sort()).toEqual(Object.keys(METRICS).sort());
  });

  test('counts a refused message by its status, and among the requests', async () => {
    const metrics = metricsWith(undefined);
    metrics.refused('inbound', new ProxyError('PF_BAD_REQUEST', 'x', { status: 431 }), 30);
    metrics.refused('inbound', new ProxyError('PF_BAD_REQUEST', 'x'), 30);
    const lines = await linesOf(metrics);
    expect(lines).toContain('pilotfish_refused_messages_total{direction="inbound",status="431"} 1');
    expect(lines).toContain(
      'pilotfish_requests_total{direction="inbound",upstream="unknown",code_class="4xx",flag="DPE"} 2',
    );
  });

  test('a source that throws costs its own lines alone', async () => {
    const lines = await linesOf(
      metricsWith({
        ...SOURCES,
        upstreams: () => {
          throw new Error('a bug');
        },
      }),
    );
    expect(lines).toContain('pilotfish_config_generation 7');
    expect(lines.some((line) => line.startsWith('pilotfish_upstream_endpoints{'))).toBe(false);
  });

  test("has Node's process metrics, CPU time counted from the start of the process", async () => {
    const lines = await linesOf(metricsWith(undefined));
    const value = (name: string): number => Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    const { user, system } = process.cpuUsage();
    expect(value('process_cpu_seconds_total')).toBeGreaterThan((user + system) / 2e6);
  });

  test('series that were idle for ten minutes are gone at the next scrape', async () => {
    const clock = new FakeClock();
    const metrics = new Metrics(clock);
    metrics.outbound.of('orders', clock.now()).count(200, 0);
    expect((await metrics.render()).body).toContain('upstream="orders"');
    await clock.advance(600_000);
    expect((await metrics.render()).body).not.toContain('upstream="orders"');
  });
});
