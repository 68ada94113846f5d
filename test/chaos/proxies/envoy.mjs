// Envoy with all that its manual offers against failing hosts: checks each second, outlier detection, retries on another host;
// POST only where nothing was sent.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find } from '../../bench/find.mjs';
import { envoy as benched } from '../../bench/rows/envoy.mjs';
import { SERVICE } from '../service.mjs';

const TYPES = 'type.googleapis.com/envoy.extensions';

/** @type {import('./index.mjs').ProxyKind} */
export const envoy = {
  id: 'envoy',
  title: 'Envoy',
  isPeer: true,
  missing: benched.missing,
  version: benched.version,
  launch({ directory, port, adminPort, ports }) {
    const file = join(directory, 'envoy.json');
    const manager = {
      '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'outbound',
      route_config: { virtual_hosts: [{ name: SERVICE, domains: ['*'], routes: routes() }] },
      http_filters: [
        { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } },
      ],
    };
    const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
    const listener = { name: 'outbound', address: address(port), filter_chains: [{ filters: [filter] }] };
    const resources = { listeners: [listener], clusters: [cluster(ports)] };
    writeFileSync(file, JSON.stringify({ admin: { address: address(adminPort) }, static_resources: resources }));
    return {
      argv: [find('envoy') ?? '', '-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'],
      ready: { port, path: '/well', host: SERVICE },
    };
  },
};

/** Two, since a retry policy of Envoy's knows nothing of methods. */
function routes() {
  const isPost = { name: ':method', string_match: { exact: 'POST' } };
  return [
    {
      match: { prefix: '/', headers: [isPost] },
      route: route('connect-failure,refused-stream,reset-before-request'),
    },
    { match: { prefix: '/' }, route: route('connect-failure,refused-stream,reset,gateway-error') },
  ];
}

/** @param {string} on */
function route(on) {
  const previous = 'envoy.retry_host_predicates.previous_hosts';
  const type = `${TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate`;
  return {
    cluster: SERVICE,
    timeout: '15s',
    retry_policy: {
      retry_on: on,
      num_retries: 2,
      per_try_timeout: '5s',
      retry_host_predicate: [{ name: previous, typed_config: { '@type': type } }],
      host_selection_retry_max_attempts: 3,
    },
  };
}

/** @param {number[]} ports */
function cluster(ports) {
  return {
    name: SERVICE,
    type: 'STATIC',
    connect_timeout: '0.3s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: {
      thresholds: [{ max_retries: 1024, max_connections: 10_000, max_pending_requests: 10_000, max_requests: 10_000 }],
    },
    outlier_detection: {
      consecutive_5xx: 5,
      consecutive_gateway_failure: 5,
      enforcing_consecutive_gateway_failure: 100,
      interval: '1s',
      base_ejection_time: '5s',
      max_ejection_percent: 50,
    },
    health_checks: [
      {
        timeout: '1s',
        interval: '1s',
        unhealthy_threshold: 2,
        healthy_threshold: 1,
        http_health_check: { path: '/well' },
      },
    ],
    load_assignment: {
      cluster_name: SERVICE,
      endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }],
    },
  };
}

/** @param {number} port */
function address(port) {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
