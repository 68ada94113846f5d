// etcd over TLS: servers with certificates that are right or wrong, and clients that show one.
import { createEtcdAdapter } from '../../adapters/etcd/etcd.ts';
import type { EtcdTlsOptions } from '../../adapters/etcd/options.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { CertificateAuthority, timeFromNow, type Certificate } from '../support/certificates.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { EtcdProcess } from '../support/servers/etcd.ts';
import { serverDirectory } from '../support/servers/process.ts';
import type { TlsSpace, Trust } from './harness.ts';

/** Authorities and servers of one case. */
export class EtcdTlsSpace implements TlsSpace {
  private readonly binary: string;
  private readonly directory = serverDirectory('tls');
  private readonly authority = new CertificateAuthority(this.directory.path);
  private readonly toClose: { close(): Promise<void> }[] = [];

  constructor(binary: string) {
    this.binary = binary;
  }

  async open(trust: Trust): Promise<{ readonly registry: Registry; readonly network: FaultProxy }> {
    const options = {
      trusted: {},
      'wrong-ca': {},
      'wrong-name': { names: 'DNS:elsewhere.example,IP:10.0.0.1' },
      expired: { from: timeFromNow(-10 * 86_400_000), until: timeFromNow(-86_400_000) },
    }[trust];
    const stranger = (): CertificateAuthority => new CertificateAuthority(this.directory.path, 'stranger');
    const { ca } = trust === 'wrong-ca' ? stranger() : this.authority;
    return this.connect(this.authority.issue('server', options), { ca });
  }

  async openMutual(validMs: number): ReturnType<TlsSpace['openMutual']> {
    const { ca } = this.authority;
    const server = this.authority.issue('server');
    const client = this.authority.issue('sidecar', { until: timeFromNow(validMs) });
    const connected = await this.connect(server, { ca, ...client }, ca);
    const rotate = (): Promise<void> => {
      this.authority.issue('sidecar', {}, client);
      return Promise.resolve();
    };
    return { ...connected, rotate };
  }

  async close(): Promise<void> {
    for (const one of this.toClose) await one.close();
    this.directory.remove();
  }

  private async connect(
    { cert, key }: Certificate,
    tls: EtcdTlsOptions,
    clientCa?: string,
  ): Promise<{ readonly registry: Registry; readonly network: FaultProxy }> {
    const served = clientCa === undefined ? { cert, key } : { cert, key, clientCa };
    const server = await EtcdProcess.start(this.binary, { tls: served });
    const network = await FaultProxy.start({ host: '127.0.0.1', port: server.port });
    const endpoints = [`https://${network.address}`];
    const registry = createEtcdAdapter({ endpoints, tls }, { allowLoopback: true });
    this.toClose.push(registry, network, server);
    return { registry, network };
  }
}
