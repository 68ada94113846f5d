// Real etcd servers for tests: found, started on free ports with a data directory of their own, wiped, restarted, ended.
import { execFileSync } from 'node:child_process';
import { Etcd3 } from 'etcd3';
import { findServers, type FoundServer } from './index.ts';
import { freePorts, serverDirectory, ServerProcess } from './process.ts';

/** One version of etcd to test against. */
export interface EtcdServer {
  readonly found: FoundServer;
  /** Like `3.4.23`. */
  readonly version: string;
}

/** TLS of the client port, as paths of PEM files. */
export interface EtcdTls {
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of this authority. */
  readonly clientCa?: string;
}

/** Every version that is there: `PILOTFISH_TEST_ETCD`, `etcd` of the path, the cache. Versions are told by the binaries. */
export async function findEtcd(): Promise<EtcdServer[]> {
  const found = findServers({ name: 'etcd', variable: 'PILOTFISH_TEST_ETCD', file: 'etcd' });
  const servers = await Promise.all(found.map(async (one) => ({ found: one, version: await versionOf(one) })));
  return servers.filter((one, index) => servers.findIndex(({ version }) => version === one.version) === index);
}

/** A running member that is ours to break. */
export class EtcdProcess {
  readonly port: number;
  private readonly process: ServerProcess;
  private readonly directory: { readonly path: string; remove(): void };

  private constructor(port: number, process: ServerProcess, directory: { readonly path: string; remove(): void }) {
    this.port = port;
    this.process = process;
    this.directory = directory;
  }

  /** Starts a cluster of one. Resolves when it answers. */
  static async start(
    binary: string,
    options: { readonly tls?: EtcdTls; readonly args?: string[] } = {},
  ): Promise<EtcdProcess> {
    const [port = 0, peerPort = 0] = await freePorts([0, 1]);
    const directory = serverDirectory('etcd');
    const { tls } = options;
    const scheme = tls === undefined ? 'http' : 'https';
    const args = [
      ...['--name', 'm', '--data-dir', `${directory.path}/data`],
      ...['--listen-client-urls', `${scheme}://127.0.0.1:${port}`],
      ...['--advertise-client-urls', `${scheme}://127.0.0.1:${port}`],
      ...['--listen-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-cluster', `m=http://127.0.0.1:${peerPort}`],
      ...['--heartbeat-interval', '50', '--election-timeout', '500'],
      ...(tls === undefined ? [] : ['--cert-file', tls.cert, '--key-file', tls.key]),
      ...(tls?.clientCa === undefined ? [] : ['--trusted-ca-file', tls.clientCa, '--client-cert-auth']),
      ...(options.args ?? []),
    ];
    // Whatever the machine says of an etcd of its own must not reach ours.
    const env = Object.fromEntries(
      Object.keys(process.env)
        .filter((name) => name.startsWith('ETCD'))
        .map((name) => [name, '']),
    );
    const server = new EtcdProcess(port, new ServerProcess({ command: binary, args, env }), directory);
    await server.restart();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get output(): readonly string[] {
    return this.process.output;
  }

  get isRunning(): boolean {
    return this.process.isRunning;
  }

  /** Starts it where it was killed; its data is as it was. Resolves when it has a leader and answers. */
  restart(): Promise<void> {
    const serving = /serving (insecure )?client (requests|traffic)/;
    const isReady = (): Promise<boolean> => Promise.resolve(this.process.output.some((line) => serving.test(line)));
    this.process.output.length = 0;
    return this.process.start(isReady);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.process.kill(signal);
  }

  freeze(): void {
    this.process.freeze();
  }

  thaw(): void {
    this.process.thaw();
  }

  /** Kills it, forgets all data, starts it again: same ports, same cluster id, revision 1. */
  async wipe(): Promise<void> {
    await this.kill();
    execFileSync('rm', ['-rf', `${this.directory.path}/data`]);
    await this.restart();
  }

  /** Kills it and leaves nothing behind. */
  async close(): Promise<void> {
    this.process.thaw();
    await this.kill();
    this.directory.remove();
  }
}

async function versionOf(found: FoundServer): Promise<string> {
  if (found.from === 'binary') {
    const text = execFileSync(found.path, ['--version'], { encoding: 'utf8' });
    return /etcd Version: (\S+)/.exec(text)?.[1] ?? 'of unknown version';
  }
  const client = new Etcd3({ hosts: `http://${found.address}`, dialTimeout: 3_000 });
  try {
    return (await client.maintenance.status({ deadline: Date.now() + 3_000 })).version;
  } finally {
    client.close();
  }
}
