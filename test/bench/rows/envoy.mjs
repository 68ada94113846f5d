// Envoy as a sidecar is set up: least request, outlier detection, a retry policy, no access log, one worker.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, version } from '../find.mjs';

const path = find('envoy');
const CONNECTION_MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

const UNLIMITED = { max_connections: 65_535, max_pending_requests: 65_535, max_requests: 65_535 };

/** @type {import('./index.mjs').Row} */
export const envoy = {
  id: 'envoy',
  title: 'Envoy',
  missing: () => (path === undefined ? 'no envoy found: test/bench/install-peers.sh' : undefined),
  version: () => version(path ?? '', ['--version']),
  launch({ directory, port, adminPort, services }) {
    const file = join(directory, 'envoy.json');
    const names = Object.keys(services);
    const manager = {
      '@type': CONNECTION_MANAGER,
      stat_prefix: 'outbound',
      route_config: { virtual_hosts: names.map(virtualHost) },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    };
    const listener = {
      name: 'outbound',
      address: address(port),
      filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
    };
    const clusters = names.map((name) => cluster(name, services[name]));
    writeFileSync(
      file,
      JSON.stringify({ admin: { address: address(adminPort) }, static_resources: { listeners: [listener], clusters } }),
    );
    return {
      argv: [path ?? '', '-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'],
      ready: { port, path: '/', host: names[0] },
    };
  },
};

/** @param {string} name */
function virtualHost(name) {
  const retry = {
    retry_on: 'connect-failure,refused-stream,reset-before-request,gateway-error',
    num_retries: 2,
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
        },
      },
    ],
    host_selection_retry_max_attempts: 3,
  };
  return {
    name,
    domains: [name],
    routes: [{ match: { prefix: '/' }, route: { cluster: name, timeout: '15s', retry_policy: retry } }],
  };
}

/** @param {string} name @param {number[]} ports */
function cluster(name, ports) {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '0.3s',
    lb_policy: 'LEAST_REQUEST',
    // By default three retries at a time, which block F exceeds, and 1,024 requests, which block G does; meshes lift them, too.
    circuit_breakers: { thresholds: [{ max_retries: 1024, ...UNLIMITED }] },
    outlier_detection: {
      consecutive_5xx: 5,
      consecutive_gateway_failure: 5,
      interval: '5s',
      base_ejection_time: '10s',
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }],
    },
  };
}

/** @param {number} port */
function address(port) {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
