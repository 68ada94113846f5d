// Real Consul servers for tests: found, started on free ports with a data directory of their own, killed, wiped, ended.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findServers, versionOfImage, type FoundServer, type ServerVersion } from './index.ts';
import { OwnServer, runOf, type Place, type ServerTls } from './own-server.ts';
import { freePorts } from './process.ts';
import type { ServerRun } from './run.ts';

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

/** Every version that is there: `PILOTFISH_TEST_CONSUL`, official images, `consul` of the path, the cache. */
export function findConsul(): Promise<ServerVersion[]> {
  const releases = ['1.8', '1.20'];
  const query = { name: 'consul', variable: 'PILOTFISH_TEST_CONSUL', image: 'hashicorp/consul', file: 'consul' };
  return findServers({ ...query, releases, versionOf });
}

/** A server of its own, in server mode with its data on disk: what it forgets by a kill, it really forgets. Wiped,
 * it has another node id, and its indexes begin anew. */
export class ConsulProcess extends OwnServer {
  readonly isTls: boolean;
  private readonly token: string | undefined;

  private constructor(port: number, options: ConsulServerOptions, run: ServerRun) {
    super(port, run);
    this.isTls = options.tls !== undefined;
    this.token = options.acl === true ? TOKEN : undefined;
  }

  /** Resolves when it leads itself and answers. */
  static async start({ found, version }: ServerVersion, options: ConsulServerOptions = {}): Promise<ConsulProcess> {
    if (found.from === 'variable') throw new Error('a server that is named by a variable is not ours to start');
    const [port = 0, rpc = 0, serf = 0, wan = 0] = await freePorts([0, 1, 2, 3]);
    const { tls } = options;
    const words = ({ host, data, file }: Place): string[] => [
      ...['agent', '-server', '-bootstrap-expect=1', '-node=n1', '-bind=127.0.0.1'],
      // At `info` it says that it runs, which is all that can be seen of one that asks for certificates.
      `-log-level=${tls === undefined ? 'warn' : 'info'}`,
      ...['-client', host],
      ...['-data-dir', data, '-http-port', tls === undefined ? String(port) : '-1'],
      ...['-server-port', String(rpc), '-serf-lan-port', String(serf), '-serf-wan-port', String(wan)],
      ...['-dns-port=-1', '-grpc-port=-1', '-hcl', configuration(version, options, file)],
      ...(tls === undefined ? [] : ['-https-port', String(port)]),
      ...(isOld(version) ? [] : ['-grpc-tls-port=-1']),
    ];
    const image = { program: [], data: '/consul/data' };
    const run = await runOf(found, { name: 'consul', words, ports: [port], image });
    return new ConsulProcess(port, options, run).started();
  }

  /** Resolves when it leads and knows itself. */
  restart(): Promise<void> {
    return this.run.start(async () => {
      if (this.isTls) return this.output.has('agent running');
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

function configuration(version: string, { acl, tls, hcl }: ConsulServerOptions, file: Place['file']): string {
  const initial = isOld(version) ? 'master' : 'initial_management';
  const files =
    tls === undefined
      ? ''
      : `cert_file = "${file(tls.cert)}" key_file = "${file(tls.key)}" ca_file = "${file(tls.ca)}"`;
  const verifies = String(tls?.verifiesClients === true);
  return [
    'performance { raft_multiplier = 1 }',
    'disable_update_check = true',
    'leave_on_terminate = false',
    acl === true
      ? `acl { enabled = true default_policy = "deny" tokens { ${initial} = "${TOKEN}" agent = "${TOKEN}" } }`
      : '',
    tls === undefined
      ? ''
      : isOld(version)
        ? `${files} verify_incoming_https = ${verifies}`
        : `tls { https { ${files} verify_incoming = ${verifies} } }`,
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
  if (found.from === 'image') return versionOfImage(found.image);
  const token = process.env['PILOTFISH_TEST_CONSUL_TOKEN'];
  const answer = await fetch(`http://${found.address}/v1/agent/self`, {
    headers: token === undefined ? {} : { 'x-consul-token': token },
    signal: AbortSignal.timeout(5_000),
  });
  const { Config } = (await answer.json()) as { Config?: { Version?: string } };
  return Config?.Version ?? 'unknown';
}
