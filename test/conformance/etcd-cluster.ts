// Three etcd members that are one cluster, each behind a proxy of its own.
import { createEtcdAdapter } from '../../adapters/etcd/etcd.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { EtcdProcess } from '../support/servers/etcd.ts';
import { freePorts } from '../support/servers/process.ts';
import { until } from '../support/until.ts';
import { EtcdAdmin } from './etcd-admin.ts';
import type { ClusterMember, ClusterSpace } from './harness.ts';

const PREFIX = '/pilotfish';
const NAMES = ['m1', 'm2', 'm3'];
/** An election takes a second or two; a busy machine is given more. */
const LEADER_WITHIN_MS = 20_000;

/** `close` ends all members and leaves nothing behind. */
export async function openEtcdCluster(binary: string): Promise<ClusterSpace & { close(): Promise<void> }> {
  const peerPorts = await freePorts(NAMES.map((_, n) => n));
  const cluster = NAMES.map((name, n) => `${name}=http://127.0.0.1:${peerPorts[n]}`).join();
  const members = await Promise.all(
    NAMES.map((name, n) => Member.start(binary, { name, peerPort: peerPorts[n] ?? 0, cluster })),
  );
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

  static async start(binary: string, member: { name: string; peerPort: number; cluster: string }): Promise<Member> {
    const server = await EtcdProcess.start(binary, { member });
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

  freeze(): void {
    this.isFrozen = true;
    this.server.freeze();
  }

  thaw(): void {
    this.isFrozen = false;
    this.server.thaw();
  }

  async close(): Promise<void> {
    this.admin.close();
    await this.network.close();
    await this.server.close();
  }
}
