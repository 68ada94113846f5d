// Real etcd servers for tests: found, started on free ports with a data directory of their own, wiped, restarted, ended.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Etcd3 } from 'etcd3';
import { findServers, versionOfImage, type FoundServer, type OwnedServer, type ServerVersion } from './index.ts';
import { OwnServer, runOf, type Place, type ServerTls } from './own-server.ts';
import { freePorts } from './process.ts';

/** Every version that is there: `PILOTFISH_TEST_ETCD`, official images, `etcd` of the path, the cache. */
export function findEtcd(): Promise<ServerVersion[]> {
  const releases = ['3.4', '3.5', '3.6', '3.7'];
  const query = { name: 'etcd', variable: 'PILOTFISH_TEST_ETCD', image: 'quay.io/coreos/etcd', file: 'etcd' };
  return findServers({ ...query, releases, versionOf });
}

/** How a member is started. */
export interface EtcdServerOptions {
  readonly tls?: ServerTls;
  /** Default: a cluster of its own. */
  readonly member?: EtcdMember;
}

/** One member of several, which are started at the same time. */
export interface EtcdMember {
  /** Nobody else's: in a container it is its host's name. */
  readonly name: string;
  readonly peerPort: number;
  /** Where the others reach it: see `peerUrl`. */
  readonly url: string;
  /** `name=url`, of all members, separated by commas. */
  readonly cluster: string;
}

/** Where members of a cluster reach each other. */
export function peerUrl({ from }: OwnedServer, name: string, port: number): string {
  return `http://${from === 'binary' ? '127.0.0.1' : name}:${port}`;
}

/** A running member that is ours to break. Wiped, one that is alone comes back with the same cluster id and revision 1. */
export class EtcdProcess extends OwnServer {
  /** Resolves when it has a leader and answers. */
  static async start(found: OwnedServer, options: EtcdServerOptions = {}): Promise<EtcdProcess> {
    const [port = 0, freePort = 0] = await freePorts([0, 1]);
    const url = `http://127.0.0.1:${freePort}`;
    const { tls, member = { name: 'm', peerPort: freePort, url, cluster: `m=${url}` } } = options;
    const scheme = tls === undefined ? 'http' : 'https';
    const words = ({ host, data, file }: Place): string[] => [
      ...['--name', member.name, '--data-dir', data, '--initial-cluster', member.cluster],
      ...['--listen-client-urls', `${scheme}://${host}:${port}`],
      ...['--advertise-client-urls', `${scheme}://127.0.0.1:${port}`],
      ...['--listen-peer-urls', `http://${host}:${member.peerPort}`],
      ...['--initial-advertise-peer-urls', member.url],
      ...['--heartbeat-interval', '50', '--election-timeout', '500', '--bcrypt-cost', '4'],
      ...(tls === undefined ? [] : ['--cert-file', file(tls.cert), '--key-file', file(tls.key)]),
      ...(tls?.verifiesClients === true ? ['--trusted-ca-file', file(tls.ca), '--client-cert-auth'] : []),
    ];
    // Whatever the machine says of an etcd of its own must not reach ours.
    const env = Object.fromEntries(
      Object.keys(process.env)
        .filter((variable) => variable.startsWith('ETCD'))
        .map((variable) => [variable, '']),
    );
    const alias = options.member === undefined ? {} : { alias: member.name };
    const image = { program: ['/usr/local/bin/etcd'], data: '/etcd-data', ...alias };
    const run = await runOf(found, { name: 'etcd', words, ports: [port], image, env });
    return new EtcdProcess(port, run).started();
  }

  restart(): Promise<void> {
    return this.run.start(() => Promise.resolve(this.output.has(/serving (insecure )?client (requests|traffic)/)));
  }
}

async function versionOf(found: FoundServer): Promise<string> {
  if (found.from === 'binary') {
    const { stdout } = await promisify(execFile)(found.path, ['--version']);
    return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
  }
  if (found.from === 'image') return versionOfImage(found.image);
  const client = new Etcd3({ hosts: `http://${found.address}`, dialTimeout: 3_000 });
  try {
    return (await client.maintenance.status({ deadline: Date.now() + 3_000 })).version;
  } finally {
    client.close();
  }
}
