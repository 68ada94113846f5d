// Real Consul servers for tests: found, started on free ports with a data directory of their own, killed, wiped, ended.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findServers, type FoundServer, type ServerVersion } from './index.ts';
import { OwnServer, type ServerTls } from './own-server.ts';
import { freePorts, serverDirectory, ServerProcess, type ServerDirectory } from './process.ts';

/** How a server is started. */
export interface ConsulServerOptions {
  /** Denies by default; `TOKEN` may do everything. */
  readonly acl?: boolean;
  /** An HTTPS port in place of the HTTP one. */
  readonly tls?: ServerTls;
  /** More configuration, in HCL. */
  readonly hcl?: string;
}

/** The token of servers with `acl` that may do everything. */
export const TOKEN = '0b16c0de-7000-4000-8000-000000000007';

/** Every version that is there: `PILOTFISH_TEST_CONSUL`, `consul` of the path, the cache. */
export function findConsul(): Promise<ServerVersion[]> {
  const releases = ['1.8', '1.20'];
  return findServers({ name: 'consul', variable: 'PILOTFISH_TEST_CONSUL', file: 'consul', releases, versionOf });
}

/** A server of its own, in server mode with its data on disk: what it forgets by a kill, it really forgets. Wiped,
 * it has another node id, and its indexes begin anew. */
export class ConsulProcess extends OwnServer {
  readonly isTls: boolean;
  private readonly token: string | undefined;

  private constructor(port: number, options: ConsulServerOptions, ...own: [ServerProcess, ServerDirectory]) {
    super(port, ...own);
    this.isTls = options.tls !== undefined;
    this.token = options.acl === true ? TOKEN : undefined;
  }

  /** Resolves when it leads itself and answers. */
  static async start(server: ServerVersion, options: ConsulServerOptions = {}): Promise<ConsulProcess> {
    if (server.found.from !== 'binary') throw new Error('a server that is named by a variable is not ours to start');
    const [port = 0, rpc = 0, serf = 0, wan = 0] = await freePorts([0, 1, 2, 3]);
    const directory = serverDirectory('consul');
    const { tls } = options;
    const args = [
      ...['agent', '-server', '-bootstrap-expect=1', '-node=n1', '-bind=127.0.0.1', '-log-level=warn'],
      ...['-data-dir', `${directory.path}/data`, '-http-port', tls === undefined ? String(port) : '-1'],
      ...['-server-port', String(rpc), '-serf-lan-port', String(serf), '-serf-wan-port', String(wan)],
      ...['-dns-port=-1', '-grpc-port=-1', '-hcl', configuration(server.version, options)],
      ...(tls === undefined ? [] : ['-https-port', String(port)]),
      ...(isOld(server.version) ? [] : ['-grpc-tls-port=-1']),
    ];
    const own = new ConsulProcess(port, options, new ServerProcess({ command: server.found.path, args }), directory);
    try {
      await own.restart();
    } catch (error) {
      await own.close();
      throw error;
    }
    return own;
  }

  /** Resolves when it leads and knows itself. */
  restart(): Promise<void> {
    return this.process.start(async () => {
      if (this.isTls) return this.output.some((line) => line.includes('agent running'));
      const nodes = await this.call('GET', '/v1/catalog/nodes?consistent');
      return Array.isArray(nodes) && nodes.some((node) => (node as { Node?: unknown }).Node === 'n1');
    });
  }

  /** See `callConsul`; not over TLS. */
  call(method: string, path: string, body?: unknown): Promise<unknown> {
    return callConsul(this.address, this.token, method, path, body);
  }
}

/** One call as an operator (with curl, say) makes it; rejects where the status is not 2xx. */
export async function callConsul(
  address: string,
  token: string | undefined,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await fetch(`http://${address}${path}`, {
    method,
    headers: { ...(token === undefined ? {} : { 'x-consul-token': token }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(5_000),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function configuration(version: string, { acl, tls, hcl }: ConsulServerOptions): string {
  const initial = isOld(version) ? 'master' : 'initial_management';
  const files = tls === undefined ? '' : `cert_file = "${tls.cert}" key_file = "${tls.key}" ca_file = "${tls.ca}"`;
  return [
    'performance { raft_multiplier = 1 }',
    'disable_update_check = true',
    'leave_on_terminate = false',
    acl === true
      ? `acl { enabled = true default_policy = "deny" tokens { ${initial} = "${TOKEN}" agent = "${TOKEN}" } }`
      : '',
    tls === undefined ? '' : isOld(version) ? files : `tls { https { ${files} } }`,
    tls?.verifiesClients !== true
      ? ''
      : isOld(version)
        ? 'verify_incoming_https = true'
        : 'tls { https { verify_incoming = true } }',
    hcl ?? '',
  ].join('\n');
}

/** Before 1.11 the configuration has other names. */
function isOld(version: string): boolean {
  const [, minor = 0] = version.split('.').map(Number);
  return minor < 11;
}

async function versionOf(found: FoundServer): Promise<string> {
  if (found.from === 'binary') {
    const { stdout } = await promisify(execFile)(found.path, ['version']);
    return /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? 'unknown';
  }
  const token = process.env['PILOTFISH_TEST_CONSUL_TOKEN'];
  const answer = await fetch(`http://${found.address}/v1/agent/self`, {
    headers: token === undefined ? {} : { 'x-consul-token': token },
    signal: AbortSignal.timeout(5_000),
  });
  const { Config } = (await answer.json()) as { Config?: { Version?: string } };
  return Config?.Version ?? 'unknown';
}
