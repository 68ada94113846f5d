// An operator of the etcd under test: records of others, rights, compaction; past all faults, as root where there are users.
import { Etcd3 } from 'etcd3';
import { pilotfishFormat } from '../../adapters/etcd/format-pilotfish.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';

export const ROOT = { username: 'root', password: 'planted-Secret-0f-root' };
/** Whom actors are, where rights are needed. */
export const USER = { username: 'sidecar', password: 'planted-Secret-0f-sidecar' };

/** One connection to one server. */
export class EtcdAdmin {
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

  /** Of a cluster: is this the member that leads? Rejects where it does not answer within a second. */
  async leads(): Promise<boolean> {
    const { header, leader } = await this.client.maintenance.status({ deadline: Date.now() + 1_000 });
    return header.member_id === leader && leader !== '0';
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
