// etcd under test: a server of its own for each space, or, where a variable names one, a prefix of its own in that one.
import { randomUUID } from 'node:crypto';
import { Etcd3 } from 'etcd3';
import { createEtcdAdapter } from '../../adapters/etcd/etcd.ts';
import { pilotfishFormat } from '../../adapters/etcd/format-pilotfish.ts';
import type { EtcdOptions } from '../../adapters/etcd/options.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import { canMakeCertificates } from '../support/certificates.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { EtcdProcess, findEtcd, type EtcdServer } from '../support/servers/etcd.ts';
import { EtcdTlsSpace } from './etcd-tls.ts';
import { SCALE, type Harness, type Need, type Space } from './harness.ts';

const ELSEWHERE = 'the server runs elsewhere and is not ours to break';
const PREFIX = '/pilotfish';
const ROOT = { username: 'root', password: 'planted-Secret-0f-root' };
/** Whom actors are, where rights are needed. */
const USER = { username: 'sidecar', password: 'planted-Secret-0f-sidecar' };

const CANNOT: Readonly<Partial<Record<Need, string>>> = {
  'full-disk': 'the disk is the server’s; what cannot be written is answered with an error like any other',
  cluster: 'needs three members, which the harness does not start yet',
  ...(canMakeCertificates() ? {} : { tls: 'needs the openssl program, which makes the certificates' }),
};

/** One harness for each version that is there; the newest alone in the short form. */
export async function etcdHarnesses(): Promise<Harness[]> {
  const servers = await findEtcd();
  const newest = servers.toSorted((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true })).slice(-1);
  return (SCALE.isFull ? servers : newest).map((server) => {
    const isOurs = server.found.from === 'binary';
    const elsewhere = {
      server: ELSEWHERE,
      rights: ELSEWHERE,
      credentials: ELSEWHERE,
      compaction: ELSEWHERE,
      tls: ELSEWHERE,
    };
    return {
      title: `etcd ${server.version}`,
      cannot: { ...CANNOT, ...(isOurs ? {} : elsewhere) },
      space: (options) => openSpace(server, options?.needs ?? []),
    };
  });
}

async function openSpace({ found }: EtcdServer, needs: readonly Need[]): Promise<Space> {
  const own = found.from === 'binary' ? await EtcdProcess.start(found.path) : undefined;
  const address = own?.address ?? (found.from === 'variable' ? found.address : '');
  const prefix = own === undefined ? `${PREFIX}-test-${randomUUID()}` : PREFIX;
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  // Where the server is not ours, it is the way to it that breaks down.
  const needsProxy = own === undefined || needs.includes('network');
  const proxy = needsProxy ? await FaultProxy.start({ host, port: Number(port) }) : undefined;
  const hasRights = needs.includes('rights') || needs.includes('credentials');
  const tls = needs.includes('tls') && found.from === 'binary' ? new EtcdTlsSpace(found.path) : undefined;
  const admin = new Admin(address, prefix);
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
      await proxy?.close();
      await own?.close();
    },
  };
}

/** What an operator does, past all faults. */
class Admin {
  private readonly address: string;
  private readonly prefix: string;
  private client: Etcd3;
  private readonly denied = new Set<string>();

  constructor(address: string, prefix: string) {
    this.address = address;
    this.prefix = prefix;
    this.client = new Etcd3({ hosts: `http://${address}` });
  }

  async plant(instances: readonly ServiceInstance[]): Promise<void> {
    const format = pilotfishFormat(this.prefix);
    const puts = instances.map((instance) => ({
      request_put: { key: Buffer.from(format.recordKey(instance)), value: Buffer.from(format.encode(instance)) },
    }));
    for (let first = 0; first < puts.length; first += 100) {
      await this.client.kv.txn({ success: puts.slice(first, first + 100) });
    }
  }

  async plantBroken(key: ServiceKey): Promise<number> {
    const place = pilotfishFormat(this.prefix).servicePrefix(key);
    const broken: Readonly<Record<string, string | Buffer>> = {
      torn: '{"v":1,"host":"10.0.0.1","po',
      empty: '',
      array: '[]',
      newer: '{"v":2}',
      port: '{"v":1,"host":"10.0.0.1","port":0}',
      metadata: '{"v":1,"host":"10.0.0.1","port":1,"metadata":{"a":{}}}',
      unspecified: '{"v":1,"host":"0.0.0.0","port":1}',
      'link-local': '{"v":1,"host":"169.254.169.254","port":80}',
      '%zz': '{"v":1,"host":"10.0.0.1","port":1}',
      'one/too/many': '{"v":1,"host":"10.0.0.1","port":1}',
      deep: '['.repeat(60_000),
      huge: Buffer.alloc(1_000_000, 0x20),
      bytes: Buffer.from([0xff, 0xfe, 0x00]),
      [`long-${'x'.repeat(300)}`]: '{"v":1,"host":"10.0.0.1","port":1}',
    };
    for (const [name, value] of Object.entries(broken)) {
      await this.client.kv.put({ key: Buffer.from(place + name), value: Buffer.from(value) });
    }
    return Object.keys(broken).length;
  }

  async remove(instance: ServiceInstance): Promise<void> {
    await this.client.delete().key(pilotfishFormat(this.prefix).recordKey(instance));
  }

  async removeAll(): Promise<void> {
    await this.client.delete().prefix(this.prefix);
  }

  async compact(): Promise<void> {
    const { header } = await this.client.kv.put({ key: Buffer.from('/elsewhere') }); // The same revision twice is refused.
    await this.client.kv.compact({ revision: header.revision, physical: true });
  }

  /** Root, and a user that may do everything below the prefix. */
  async enableRights(): Promise<void> {
    const { auth } = this.client;
    for (const { username, password } of [ROOT, USER]) {
      await auth.userAdd({ name: username, password });
      await auth.roleAdd({ name: username });
      await auth.userGrantRole({ user: username, role: username });
    }
    await this.apply();
    await auth.authEnable();
    this.client.close();
    this.client = new Etcd3({ hosts: `http://${this.address}`, auth: ROOT });
  }

  /** Of actors. It makes the tokens that they have worthless, too. */
  async changePassword(password: string): Promise<void> {
    await this.client.auth.userChangePassword({ name: USER.username, password });
  }

  async forbid(key: ServiceKey | undefined): Promise<void> {
    this.denied.add(key === undefined ? '' : pilotfishFormat(this.prefix).servicePrefix(key));
    await this.apply();
  }

  async allow(key: ServiceKey | undefined): Promise<void> {
    this.denied.delete(key === undefined ? '' : pilotfishFormat(this.prefix).servicePrefix(key));
    await this.apply();
  }

  close(): void {
    this.client.close();
  }

  /** etcd knows no exceptions: what is allowed are the gaps between what is denied. */
  private async apply(): Promise<void> {
    const { auth } = this.client;
    const role = USER.username;
    const { perm } = await auth.roleGet({ role });
    for (const { key, range_end } of perm) await auth.roleRevokePermission({ role, key, range_end });
    if (this.denied.has('')) return;
    let from = Buffer.from(`${this.prefix}/`);
    const grant = async (end: Buffer): Promise<void> => {
      await auth.roleGrantPermission({ name: role, perm: { permType: 'Readwrite', key: from, range_end: end } });
    };
    for (const denied of [...this.denied].sort()) {
      await grant(Buffer.from(denied));
      from = Buffer.from(denied.replace(/\/$/, '0'));
    }
    await grant(Buffer.from(`${this.prefix}0`));
  }
}
