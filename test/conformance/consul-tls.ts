// Consul over TLS: servers with certificates that are right or wrong, and clients that show one.
import { createConsulAdapter } from '../../adapters/consul/consul.ts';
import type { ConsulTlsOptions } from '../../adapters/consul/options.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { CertificateAuthority, timeFromNow, type Certificate } from '../support/certificates.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { ConsulProcess, type ConsulServer } from '../support/servers/consul.ts';
import { serverDirectory } from '../support/servers/process.ts';
import type { TlsSpace, Trust } from './harness.ts';

/** Authorities and servers of one case. */
export class ConsulTlsSpace implements TlsSpace {
  private readonly server: ConsulServer;
  private readonly directory = serverDirectory('tls');
  private readonly authority = new CertificateAuthority(this.directory.path);
  private readonly toClose: { close(): Promise<void> }[] = [];

  constructor(server: ConsulServer) {
    this.server = server;
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
    return this.connect(this.authority.issue('server', options), { ca }, false);
  }

  async openMutual(validMs: number): ReturnType<TlsSpace['openMutual']> {
    const { ca } = this.authority;
    const server = this.authority.issue('server');
    const lasting = this.authority.issue('sidecar');
    const own = { cert: `${lasting.cert}.own`, key: `${lasting.key}.own` };
    const connected = await this.connect(server, { ca, ...own }, true, () =>
      this.authority.issue('sidecar', { until: timeFromNow(validMs) }, own),
    );
    const rotate = (): Promise<void> => {
      this.authority.issue('sidecar', {}, own);
      return Promise.resolve();
    };
    return { ...connected, rotate };
  }

  async close(): Promise<void> {
    for (const one of this.toClose) await one.close();
    this.directory.remove();
  }

  /** @param beforeOpening makes what lasts so shortly that it must not be made before the server is there. */
  private async connect(
    { cert, key }: Certificate,
    tls: ConsulTlsOptions,
    verifyIncoming: boolean,
    beforeOpening: () => void = () => undefined,
  ): Promise<{ readonly registry: Registry; readonly network: FaultProxy }> {
    const server = await ConsulProcess.start(this.server, {
      tls: { cert, key, ca: this.authority.ca, verifyIncoming },
    });
    beforeOpening();
    const network = await FaultProxy.start({ host: '127.0.0.1', port: server.port });
    const registry = createConsulAdapter({ address: `https://${network.address}`, tls }, { allowLoopback: true }, {});
    this.toClose.push(registry, network, server);
    return { registry, network };
  }
}
