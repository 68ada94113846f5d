// Every metric of our own: name, type, labels and meaning. A test holds `docs/metrics.md` equal to it, both ways.

/** What is known of a metric before it has a value. */
export interface MetricFacts {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

export const METRICS = {
  pilotfish_requests_total: {
    type: 'counter',
    labels: ['direction', 'upstream', 'code_class', 'flag'],
    help: 'Requests whose answer has ended, and messages that were refused before they became a request.',
  },
  pilotfish_request_duration_seconds: {
    type: 'histogram',
    labels: ['direction', 'upstream'],
    help: 'From the complete head of a request to the last byte of its answer; of a tunnel, to its 101.',
  },
  pilotfish_request_received_bytes_total: {
    type: 'counter',
    labels: ['direction', 'upstream'],
    help: 'Content received from clients, without heads and framing.',
  },
  pilotfish_request_sent_bytes_total: {
    type: 'counter',
    labels: ['direction', 'upstream'],
    help: 'Content sent to clients, without heads and framing.',
  },
  pilotfish_refused_messages_total: {
    type: 'counter',
    labels: ['direction', 'status'],
    help: 'Messages that were no valid HTTP, or more than the limits allow.',
  },
  pilotfish_upstream_attempts_total: {
    type: 'counter',
    labels: ['upstream', 'outcome'],
    help: 'Tries of requests on endpoints, counted when their request has ended.',
  },
  pilotfish_upstream_endpoints: {
    type: 'gauge',
    labels: ['upstream', 'state'],
    help: 'Endpoints by the state in which the picker sees them.',
  },
  pilotfish_upstream_requests_in_flight: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Requests on their way to an endpoint.',
  },
  pilotfish_upstream_connections: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Open connections to endpoints.',
  },
  pilotfish_upstream_connections_opened_total: {
    type: 'counter',
    labels: ['upstream'],
    help: 'Connections to endpoints that were established.',
  },
  pilotfish_upstream_connections_closed_total: {
    type: 'counter',
    labels: ['upstream', 'reason'],
    help: 'Connections to endpoints that were closed, by either side.',
  },
  pilotfish_upstream_stale_connections_total: {
    type: 'counter',
    labels: ['upstream'],
    help: 'Requests that met a connection which had been closed while it was idle, and took a fresh one.',
  },
  pilotfish_upstream_panic: {
    type: 'gauge',
    labels: ['upstream'],
    help: '1 while so few endpoints are healthy that doubted or failing ones are used as well.',
  },
  pilotfish_upstream_overflows_total: {
    type: 'counter',
    labels: ['upstream', 'limit'],
    help: 'Requests that were refused, or not tried again, because a limit of their upstream was reached.',
  },
  pilotfish_concurrency_limit: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Requests that may wait for an answer at a time, as learned; only where adaptiveConcurrency is configured.',
  },
  pilotfish_concurrency_in_flight: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Requests that wait for an answer, of those that this limit admitted.',
  },
  pilotfish_concurrency_rejected_total: {
    type: 'counter',
    labels: ['upstream'],
    help: 'Requests that this limit refused.',
  },
  pilotfish_concurrency_min_rtt_seconds: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Time to an answer with little under way, as it was measured last.',
  },
  pilotfish_concurrency_sampled_rtt_seconds: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Time to an answer in the last window.',
  },
  pilotfish_breaker_state: {
    type: 'gauge',
    labels: ['upstream'],
    help: '0: closed, traffic flows. 1: half-open, probing. 2: open, refused.',
  },
  pilotfish_upstream_fallbacks_total: {
    type: 'counter',
    labels: ['upstream', 'cause'],
    help: 'Requests that were given the fallback of their upstream, by what had failed.',
  },
  pilotfish_upstream_hedges_total: {
    type: 'counter',
    labels: ['upstream', 'outcome'],
    help: 'Attempts beside one that took long, and those that were due but not made.',
  },
  pilotfish_retry_budget_ratio: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'What is left of the retry budget, from 0 to 1.',
  },
  pilotfish_registry_up: {
    type: 'gauge',
    labels: ['registry'],
    help: '1 while the registry answers.',
  },
  pilotfish_registry_staleness_seconds: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Age of what the registry last said of the service.',
  },
  pilotfish_registry_listener_errors_total: {
    type: 'counter',
    labels: ['registry'],
    help: 'Bugs: listeners that threw when they were given a list.',
  },
  pilotfish_registration_state: {
    type: 'gauge',
    labels: ['state'],
    help: '1 for the state in which the own record is, 0 for the others; nothing without an own service.',
  },
  pilotfish_config_last_reload_successful: {
    type: 'gauge',
    labels: [],
    help: '1 where the newest configuration is the one that serves.',
  },
  pilotfish_config_generation: {
    type: 'gauge',
    labels: [],
    help: 'Generation that serves, counted from 1.',
  },
  pilotfish_connections: {
    type: 'gauge',
    labels: ['direction'],
    help: 'Open connections from clients.',
  },
  pilotfish_connections_refused_total: {
    type: 'counter',
    labels: ['direction', 'reason'],
    help: 'Connections of clients that were turned away before a request was read on them.',
  },
  pilotfish_overload_state: {
    type: 'gauge',
    labels: ['resource'],
    help: '0: enough. memory: 1 above the soft watermark, 2 above the hard one. loop: 1 while the event loop is late. files: 1 while no descriptor is left.',
  },
  pilotfish_memory_used_ratio: {
    type: 'gauge',
    labels: [],
    help: 'Memory in use, as a share of what this process may use; read while there is traffic.',
  },
  pilotfish_log_lines_dropped_total: {
    type: 'counter',
    labels: ['log'],
    help: 'Log lines lost to a full disk, a stalled reader or too little memory.',
  },
} as const satisfies Record<string, MetricFacts>;

export type MetricName = keyof typeof METRICS;
