// Real etcd servers for tests: found, started on free ports with a data directory of their own, wiped, restarted, ended.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Etcd3 } from 'etcd3';
import { findServers, type FoundServer, type ServerVersion } from './index.ts';
import { OwnServer, type ServerTls } from './own-server.ts';
import { freePorts, serverDirectory, ServerProcess } from './process.ts';

/** Every version that is there: `PILOTFISH_TEST_ETCD`, `etcd` of the path, the cache. */
export function findEtcd(): Promise<ServerVersion[]> {
  const releases = ['3.4', '3.5', '3.6', '3.7'];
  return findServers({ name: 'etcd', variable: 'PILOTFISH_TEST_ETCD', file: 'etcd', releases, versionOf });
}

/** How a member is started. */
export interface EtcdServerOptions {
  readonly tls?: ServerTls;
  /** Default: a cluster of its own. */
  readonly member?: EtcdMember;
}

/** One member of several, which are started at the same time. */
export interface EtcdMember {
  readonly name: string;
  readonly peerPort: number;
  /** `name=http://127.0.0.1:port`, of all members, separated by commas. */
  readonly cluster: string;
}

/** A running member that is ours to break. Wiped, one that is alone comes back with the same cluster id and revision 1. */
export class EtcdProcess extends OwnServer {
  /** Resolves when it has a leader and answers. */
  static async start(binary: string, options: EtcdServerOptions = {}): Promise<EtcdProcess> {
    const [port = 0, freePort = 0] = await freePorts([0, 1]);
    const alone = { name: 'm', peerPort: freePort, cluster: `m=http://127.0.0.1:${freePort}` };
    const { tls, member = alone } = options;
    const directory = serverDirectory('etcd');
    const [scheme, peers] = [tls === undefined ? 'http' : 'https', `http://127.0.0.1:${member.peerPort}`];
    const args = [
      ...['--name', member.name, '--data-dir', `${directory.path}/data`, '--initial-cluster', member.cluster],
      ...['--listen-client-urls', `${scheme}://127.0.0.1:${port}`],
      ...['--advertise-client-urls', `${scheme}://127.0.0.1:${port}`],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
      ...['--heartbeat-interval', '50', '--election-timeout', '500', '--bcrypt-cost', '4'],
      ...(tls === undefined ? [] : ['--cert-file', tls.cert, '--key-file', tls.key]),
      ...(tls?.verifiesClients === true ? ['--trusted-ca-file', tls.ca, '--client-cert-auth'] : []),
    ];
    // Whatever the machine says of an etcd of its own must not reach ours.
    const env = Object.fromEntries(
      Object.keys(process.env)
        .filter((name) => name.startsWith('ETCD'))
        .map((name) => [name, '']),
    );
    const server = new EtcdProcess(port, new ServerProcess({ command: binary, args, env }), directory);
    try {
      await server.restart();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  restart(): Promise<void> {
    const serving = /serving (insecure )?client (requests|traffic)/;
    this.process.output.length = 0;
    return this.process.start(() => Promise.resolve(this.output.some((line) => serving.test(line))));
  }
}

async function versionOf(found: FoundServer): Promise<string> {
  if (found.from === 'binary') {
    const { stdout } = await promisify(execFile)(found.path, ['--version']);
    return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
  }
  const client = new Etcd3({ hosts: `http://${found.address}`, dialTimeout: 3_000 });
  try {
    return (await client.maintenance.status({ deadline: Date.now() + 3_000 })).version;
  } finally {
    client.close();
  }
}
