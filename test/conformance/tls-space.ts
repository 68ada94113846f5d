// A registry over TLS: servers with certificates that are right or wrong, and clients that show one.
import type { Registry } from '../../src/registry/registry.ts';
import { CertificateAuthority, timeFromNow, type Certificate } from '../support/certificates.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { ServerTls } from '../support/servers/own-server.ts';
import { serverDirectory } from '../support/servers/process.ts';
import type { TlsSpace, Trust } from './harness.ts';

/** PEM files as both adapters' `tls` options name them. */
type ClientTls = { readonly ca: string } & Partial<Certificate>;

/** What differs from registry to registry. */
export interface TlsBackend {
  start(tls: ServerTls): Promise<{ readonly port: number; close(): Promise<void> }>;
  /** @param address `host:port` */
  open(address: string, tls: ClientTls): Registry;
}

const DAY_MS = 86_400_000;
const WRONG = {
  trusted: {},
  'wrong-ca': {},
  'wrong-name': { names: 'DNS:elsewhere.example,IP:10.0.0.1' },
  expired: { from: timeFromNow(-10 * DAY_MS), until: timeFromNow(-DAY_MS) },
} as const;

/** Authorities and servers of one case. `close` ends them all and removes their files. */
export async function openTlsSpace(backend: TlsBackend): Promise<TlsSpace & { close(): Promise<void> }> {
  const directory = serverDirectory('tls');
  const authority = await CertificateAuthority.create(directory.path);
  const toClose: { close(): Promise<void> }[] = [];
  const serve = async (certificate: Certificate, verifiesClients: boolean): Promise<FaultProxy> => {
    const server = await backend.start({ ...certificate, ca: authority.ca, verifiesClients });
    toClose.unshift(server);
    const network = await FaultProxy.start({ host: '127.0.0.1', port: server.port });
    toClose.unshift(network);
    return network;
  };
  const connect = (network: FaultProxy, tls: ClientTls): { readonly registry: Registry; network: FaultProxy } => {
    const registry = backend.open(network.address, tls);
    toClose.unshift(registry);
    return { registry, network };
  };
  return {
    open: async (trust: Trust) => {
      const network = await serve(await authority.issue('server', WRONG[trust]), false);
      const stranger = (): Promise<CertificateAuthority> => CertificateAuthority.create(directory.path, 'stranger');
      const { ca } = trust === 'wrong-ca' ? await stranger() : authority;
      return connect(network, { ca });
    },
    openMutual: async (validMs) => {
      const network = await serve(await authority.issue('server'), true);
      // Not before the server is there: it lasts so shortly.
      const own = await authority.issue('sidecar', { until: timeFromNow(validMs) });
      const rotate = async (): Promise<void> => {
        await authority.issue('sidecar', {}, own);
      };
      return { ...connect(network, { ca: authority.ca, ...own }), rotate };
    },
    close: async () => {
      for (const one of toClose) await one.close();
      await directory.remove();
    },
  };
}
