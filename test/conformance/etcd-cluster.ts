// Three etcd members that are one cluster, each behind a proxy of its own.
import { createEtcdAdapter } from '../../adapters/etcd/etcd.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { EtcdProcess, peerUrl, type EtcdMember } from '../support/servers/etcd.ts';
import type { OwnedServer } from '../support/servers/index.ts';
import { freePorts } from '../support/servers/process.ts';
import { until } from '../support/until.ts';
import { EtcdAdmin } from './etcd-admin.ts';
import type { ClusterMember, ClusterSpace } from './harness.ts';

const PREFIX = '/pilotfish';
const SIZE = 3;
/** An election takes a second or two; a busy machine is given more. */
const LEADER_WITHIN_MS = 20_000;

/** `close` ends all members and leaves nothing behind. */
export async function openEtcdCluster(found: OwnedServer): Promise<ClusterSpace & { close(): Promise<void> }> {
  const ports = await freePorts(Array.from({ length: SIZE }, (_, n) => n));
  const all = ports.map((peerPort) => ({
    name: `m${peerPort}`,
    peerPort,
    url: peerUrl(found, `m${peerPort}`, peerPort),
  }));
  const cluster = all.map(({ name, url }) => `${name}=${url}`).join();
  const members = await Promise.all(all.map((member) => Member.start(found, { ...member, cluster })));
  const leader = (): Promise<Member> =>
    until(
      'a member leads',
      async () => {
        const leads = await Promise.all(members.map((member) => member.leads()));
        return members.find((_, n) => leads[n]);
      },
      { withinMs: LEADER_WITHIN_MS, everyMs: 100 },
    );
  return {
    members,
    leader,
    open: () => {
      const endpoints = members.map(({ network }) => `http://${network.address}`);
      return Promise.resolve(createEtcdAdapter({ endpoints, prefix: PREFIX }, { allowLoopback: true }));
    },
    plant: async (instances) => (await leader()).admin.plant(instances),
    close: async () => {
      await Promise.all(members.map((member) => member.close()));
    },
  };
}

class Member implements ClusterMember {
  readonly network: FaultProxy;
  /** Past the proxy. */
  readonly admin: EtcdAdmin;
  private readonly server: EtcdProcess;
  private isFrozen = false;

  private constructor(server: EtcdProcess, network: FaultProxy) {
    this.server = server;
    this.network = network;
    this.admin = new EtcdAdmin(server.address, PREFIX);
  }

  static async start(found: OwnedServer, member: EtcdMember): Promise<Member> {
    const server = await EtcdProcess.start(found, { member });
    return new Member(server, await FaultProxy.start({ host: '127.0.0.1', port: server.port }));
  }

  /** False, too, while it cannot be asked. */
  async leads(): Promise<boolean> {
    return this.server.isRunning && !this.isFrozen && (await this.admin.leads().catch(() => false));
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  restart(): Promise<void> {
    return this.server.restart();
  }

  async freeze(): Promise<void> {
    this.isFrozen = true;
    await this.server.freeze();
  }

  async thaw(): Promise<void> {
    this.isFrozen = false;
    await this.server.thaw();
  }

  async close(): Promise<void> {
    this.admin.close();
    await this.network.close();
    await this.server.close();
  }
}
