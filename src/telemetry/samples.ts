// The values of each metric at the moment of a scrape, in prom-client's form.
import type { MetricName } from './metric-catalogue.ts';
import {
  BREAKER_STATES,
  ENDPOINT_STATES,
  REGISTRATION_STATES,
  type MetricsSources,
  type UpstreamFacts,
} from './metric-sources.ts';
import type { MetricValues } from './metric-values.ts';

/** One line of the page. */
export interface Sample {
  /** Where it is not the metric's own name (`_bucket`, `_sum`, `_count`). */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

type Collect = (metrics: MetricValues) => Generator<Sample>;

const DIRECTIONS = ['inbound', 'outbound'] as const;

/** How each metric of the catalogue gets its values. */
export const SAMPLES: Readonly<Record<MetricName, Collect>> = {
  *pilotfish_requests_total(metrics) {
    for (const direction of DIRECTIONS) {
      for (const series of metrics[direction].values()) {
        for (const { codeClass, flag, count } of series.counts()) {
          yield { labels: { direction, upstream: series.upstream, code_class: codeClass, flag }, value: count };
        }
      }
    }
  },
  *pilotfish_request_duration_seconds(metrics) {
    const name = 'pilotfish_request_duration_seconds';
    for (const direction of DIRECTIONS) {
      for (const { upstream, duration } of metrics[direction].values()) {
        const labels = { direction, upstream };
        const counts = duration.cumulated();
        for (const [index, value] of counts.entries()) {
          yield { metricName: `${name}_bucket`, labels: { le: duration.bounds[index] ?? '+Inf', ...labels }, value };
        }
        yield { metricName: `${name}_sum`, labels, value: duration.sum };
        yield { metricName: `${name}_count`, labels, value: counts.at(-1) ?? 0 };
      }
    }
  },
  *pilotfish_request_received_bytes_total(metrics) {
    for (const direction of DIRECTIONS) {
      for (const { upstream, receivedBytes } of metrics[direction].values()) {
        yield { labels: { direction, upstream }, value: receivedBytes };
      }
    }
  },
  *pilotfish_request_sent_bytes_total(metrics) {
    for (const direction of DIRECTIONS) {
      for (const { upstream, sentBytes } of metrics[direction].values()) {
        yield { labels: { direction, upstream }, value: sentBytes };
      }
    }
  },
  *pilotfish_refused_messages_total(metrics) {
    for (const direction of DIRECTIONS) {
      for (const [status, value] of metrics.refusals[direction]) yield { labels: { direction, status }, value };
    }
  },
  *pilotfish_upstream_attempts_total(metrics) {
    for (const series of metrics.attempts.values()) {
      for (const { outcome, count } of series.counts()) {
        yield { labels: { upstream: series.upstream, outcome }, value: count };
      }
    }
  },
  *pilotfish_upstream_endpoints({ sources }) {
    for (const { name, endpoints } of upstreamsOf(sources)) {
      for (const state of ENDPOINT_STATES) {
        yield { labels: { upstream: name, state }, value: endpoints[state] ?? 0 };
      }
    }
  },
  pilotfish_upstream_requests_in_flight: perUpstream(({ inFlight }) => inFlight),
  pilotfish_upstream_connections: perUpstream(({ connections }) => connections?.open),
  pilotfish_upstream_connections_opened_total: perUpstream(({ connections }) => connections?.opened),
  *pilotfish_upstream_connections_closed_total({ sources }) {
    for (const { name, connections } of upstreamsOf(sources)) {
      for (const [reason, value] of Object.entries(connections?.closed ?? {})) {
        yield { labels: { upstream: name, reason }, value };
      }
    }
  },
  pilotfish_upstream_stale_connections_total: perUpstream(({ connections }) => connections?.stale),
  pilotfish_upstream_panic: perUpstream(({ isPanicking }) => (isPanicking === true ? 1 : 0)),
  *pilotfish_upstream_overflows_total({ sources }) {
    for (const { name, connections } of upstreamsOf(sources)) {
      for (const [limit, value] of Object.entries(connections?.overflows ?? {})) {
        yield { labels: { upstream: name, limit }, value };
      }
    }
  },
  pilotfish_concurrency_limit: perUpstream(({ concurrency }) => concurrency?.limit),
  pilotfish_concurrency_in_flight: perUpstream(({ concurrency }) => concurrency?.inFlight),
  pilotfish_concurrency_rejected_total: perUpstream(({ concurrency }) => concurrency?.rejected),
  pilotfish_concurrency_min_rtt_seconds: perUpstream(({ concurrency }) => seconds(concurrency?.minRttMs)),
  pilotfish_concurrency_sampled_rtt_seconds: perUpstream(({ concurrency }) => seconds(concurrency?.sampledRttMs)),
  pilotfish_breaker_state: perUpstream(({ breaker }) => BREAKER_STATES.indexOf(breaker ?? 'closed')),
  *pilotfish_upstream_fallbacks_total({ sources }) {
    for (const { name, fallbacks } of upstreamsOf(sources)) {
      for (const [cause, value] of Object.entries(fallbacks ?? {})) yield { labels: { upstream: name, cause }, value };
    }
  },
  *pilotfish_upstream_hedges_total({ sources }) {
    for (const { name, hedges } of upstreamsOf(sources)) {
      for (const [outcome, value] of Object.entries(hedges ?? {})) yield { labels: { upstream: name, outcome }, value };
    }
  },
  pilotfish_retry_budget_ratio: perUpstream(({ retryBudgetRatio }) => retryBudgetRatio),
  pilotfish_registry_staleness_seconds: perUpstream(({ stalenessMs }) => seconds(stalenessMs)),
  *pilotfish_registry_up({ sources }) {
    const registry = sources?.registry();
    if (registry !== undefined) yield { labels: { registry: registry.name }, value: registry.isUp ? 1 : 0 };
  },
  *pilotfish_registry_listener_errors_total({ sources }) {
    const registry = sources?.registry();
    if (registry !== undefined) yield { labels: { registry: registry.name }, value: registry.listenerErrors ?? 0 };
  },
  *pilotfish_registration_state({ sources }) {
    const current = sources?.registration();
    if (current === undefined) return;
    for (const state of REGISTRATION_STATES) yield { labels: { state }, value: state === current ? 1 : 0 };
  },
  *pilotfish_config_last_reload_successful({ sources }) {
    if (sources !== undefined) yield { labels: {}, value: sources.config().lastReloadSuccessful ? 1 : 0 };
  },
  *pilotfish_config_generation({ sources }) {
    if (sources !== undefined) yield { labels: {}, value: sources.config().generation };
  },
  *pilotfish_connections({ sources }) {
    const open = sources?.connections();
    if (open === undefined) return;
    for (const direction of DIRECTIONS) yield { labels: { direction }, value: open[direction] };
  },
  *pilotfish_connections_refused_total({ sources }) {
    const refused = sources?.overload?.().refused;
    if (refused === undefined) return;
    for (const direction of DIRECTIONS) {
      for (const [reason, value] of Object.entries(refused[direction])) yield { labels: { direction, reason }, value };
    }
  },
  *pilotfish_overload_state({ sources }) {
    const facts = sources?.overload?.();
    if (facts === undefined) return;
    yield { labels: { resource: 'memory' }, value: facts.memory };
    yield { labels: { resource: 'loop' }, value: facts.loop };
    yield { labels: { resource: 'files' }, value: facts.files };
  },
  *pilotfish_memory_used_ratio({ sources }) {
    const facts = sources?.overload?.();
    if (facts !== undefined) yield { labels: {}, value: facts.memoryRatio };
  },
  *pilotfish_log_lines_dropped_total({ sources }) {
    for (const [log, writer] of Object.entries(sources?.logs?.() ?? {})) {
      yield { labels: { log }, value: writer.droppedLines };
    }
  },
};

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}

function perUpstream(valueOf: (upstream: UpstreamFacts) => number | undefined): Collect {
  return function* ({ sources }) {
    for (const upstream of upstreamsOf(sources)) {
      const value = valueOf(upstream);
      if (value !== undefined) yield { labels: { upstream: upstream.name }, value };
    }
  };
}

function upstreamsOf(sources: MetricsSources | undefined): Iterable<UpstreamFacts> {
  return sources?.upstreams() ?? [];
}
