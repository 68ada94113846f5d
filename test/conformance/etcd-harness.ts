// etcd under test: a server of its own for each space, or, where a variable names one, a prefix of its own in that one.
import { randomUUID } from 'node:crypto';
import { createEtcdAdapter } from '../../adapters/etcd/etcd.ts';
import type { EtcdOptions } from '../../adapters/etcd/options.ts';
import type { ServiceKey } from '../../src/registry/types.ts';
import { canMakeCertificates } from '../support/certificates.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { EtcdProcess, findEtcd } from '../support/servers/etcd.ts';
import { forShortForm, type OwnedServer, type ServerVersion } from '../support/servers/index.ts';
import { EtcdAdmin, ROOT, USER } from './etcd-admin.ts';
import { openEtcdCluster } from './etcd-cluster.ts';
import { SCALE, type Harness, type Need, type Space } from './harness.ts';
import { openTlsSpace, type TlsBackend } from './tls-space.ts';

const ELSEWHERE = 'the server runs elsewhere and is not ours to break';
const PREFIX = '/pilotfish';

const CANNOT: Readonly<Partial<Record<Need, string>>> = {
  'full-disk': 'the disk is the server’s; what cannot be written is answered with an error like any other',
  ...(canMakeCertificates() ? {} : { tls: 'needs the openssl program, which makes the certificates' }),
};

/** One harness for each version that is there; the newest alone in the short form. */
export async function etcdHarnesses(): Promise<Harness[]> {
  const servers = await findEtcd();
  return (SCALE.isFull ? servers : forShortForm(servers)).map((server) => {
    const isOurs = server.found.from !== 'variable';
    const elsewhere = {
      server: ELSEWHERE,
      rights: ELSEWHERE,
      credentials: ELSEWHERE,
      compaction: ELSEWHERE,
      tls: ELSEWHERE,
      cluster: ELSEWHERE,
    };
    return {
      title: `etcd ${server.version}`,
      cannot: { ...CANNOT, ...(isOurs ? {} : elsewhere) },
      space: (options) => openSpace(server, options?.needs ?? []),
    };
  });
}

async function openSpace({ found }: ServerVersion, needs: readonly Need[]): Promise<Space> {
  const own = found.from === 'variable' ? undefined : await EtcdProcess.start(found);
  const address = own?.address ?? (found.from === 'variable' ? found.address : '');
  const prefix = own === undefined ? `${PREFIX}-test-${randomUUID()}` : PREFIX;
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  // Where the server is not ours, it is the way to it that breaks down.
  const needsProxy = own === undefined || needs.includes('network');
  const proxy = needsProxy ? await FaultProxy.start({ host, port: Number(port) }) : undefined;
  const hasRights = needs.includes('rights') || needs.includes('credentials');
  const isOurs = found.from !== 'variable';
  const tls = isOurs && needs.includes('tls') ? await openTlsSpace(tlsBackend(found)) : undefined;
  const cluster = isOurs && needs.includes('cluster') ? await openEtcdCluster(found) : undefined;
  const admin = new EtcdAdmin(address, prefix);
  if (hasRights) await admin.enableRights();
  const base: EtcdOptions = { endpoints: [`http://${proxy?.address ?? address}`], prefix };
  const options = hasRights ? { ...base, ...USER } : base;
  return {
    selection: { type: 'etcd', options },
    open: (context) => Promise.resolve(createEtcdAdapter(options, { allowLoopback: true, ...context })),
    openAt: (where) =>
      Promise.resolve(createEtcdAdapter({ ...options, endpoints: [`http://${where}`] }, { allowLoopback: true })),
    ...(proxy === undefined ? {} : { network: proxy }),
    plant: (instances) => admin.plant(instances),
    unplant: (instance) => admin.remove(instance),
    revoke: (instance) => admin.remove(instance),
    wipe: () => own?.wipe() ?? admin.removeAll(),
    plantBroken: (key) => admin.plantBroken(key),
    breakDown: async () => {
      if (own !== undefined) await own.kill();
      else if (proxy !== undefined) {
        proxy.faults.isRefusing = true;
        proxy.reset();
      }
    },
    repair: async () => {
      proxy?.heal();
      if (own?.isRunning === false) await own.restart();
    },
    compact: () => admin.compact(),
    ...(tls === undefined ? {} : { tls }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(hasRights
      ? {
          forbid: (key?: ServiceKey) => admin.forbid(key),
          allow: (key?: ServiceKey) => admin.allow(key),
          // Changing the password takes its tokens away, changing it back gives no new ones: those are asked for again.
          forgetTokens: async () => {
            await admin.changePassword('another-planted-Secret');
            await admin.changePassword(USER.password);
          },
          secrets: [USER.password, ROOT.password],
          openWithWrongSecret: (context) =>
            Promise.resolve(createEtcdAdapter({ ...base, ...USER, password: 'planted-Secret-wr0ng' }, context)),
        }
      : {}),
    close: async () => {
      await (own === undefined ? admin.removeAll() : undefined);
      admin.close();
      await tls?.close();
      await cluster?.close();
      await proxy?.close();
      await own?.close();
    },
  };
}

function tlsBackend(found: OwnedServer): TlsBackend {
  return {
    start: (tls) => EtcdProcess.start(found, { tls }),
    open: (address, tls) => createEtcdAdapter({ endpoints: [`https://${address}`], tls }, { allowLoopback: true }),
  };
}
