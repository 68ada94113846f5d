// TLS of both ports, against the stand-in: no real server that is to be had as a package has it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createNacosAdapter } from '../../../../adapters/nacos/nacos.ts';
import type { NacosTls } from '../../../../adapters/nacos/options.ts';
import { causeChain } from '../../../../src/errors.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { serviceKey, type Watch } from '../../../../src/registry/types.ts';
import { canMakeCertificates, CertificateAuthority } from '../../../support/certificates.ts';
import { reportMissing } from '../../../support/missing.ts';
import { serverDirectory } from '../../../support/servers/process.ts';
import { until } from '../../../support/until.ts';
import { NacosStandIn } from './stand-in.ts';

const hasOpenssl = canMakeCertificates();
if (!hasOpenssl) reportMissing('openssl', 'it makes the certificates of TLS tests');
const OTHER_NAME = { names: 'DNS:nacos.example' };

let server: NacosStandIn;
let directory: ReturnType<typeof serverDirectory>;
let authority: CertificateAuthority;
let registry: Registry | undefined;

/** The stand-in with a certificate of the authority. */
async function serve(options: { readonly names?: string } = {}, verifiesClients = false): Promise<void> {
  await server.start({ ...(await authority.issue('server', options)), ca: authority.ca, verifiesClients });
}

/** With a user: the login is HTTPS, the rest gRPC. */
function watching(tls: NacosTls): Watch {
  const place = {
    endpoints: [`127.0.0.1:${server.httpPort}`],
    grpcPortOffset: server.grpcPort - server.httpPort,
  };
  registry = createNacosAdapter({ ...place, username: 'u', password: 'p', tls }, { ttlMs: 1_500 }, {});
  return registry.watch(serviceKey('orders'), {});
}

const live = (watch: Watch): Promise<unknown> => until('it is live', () => watch.state === 'live');

/** What went wrong, told with all its causes. */
async function refusal(watch: Watch): Promise<string> {
  await until('the failure is told', () => watch.lastError !== undefined);
  expect([watch.state, watch.lastError?.kind]).toEqual(['syncing', 'unavailable']);
  return causeChain(watch.lastError);
}

describe.runIf(hasOpenssl)('Nacos over TLS (stand-in)', () => {
  beforeEach(async () => {
    server = new NacosStandIn();
    directory = serverDirectory('nacos-tls');
    authority = await CertificateAuthority.create(directory.path);
  });

  afterEach(async () => {
    await registry?.close();
    await server.close();
    await directory.remove();
  });

  test('a server whose authority is trusted is logged in to and watched', async () => {
    await serve();
    await live(watching({ ca: authority.ca }));
    expect(server.logins).toBe(1);
  });

  test('a server of another authority is refused, and says why', async () => {
    await serve();
    const stranger = await CertificateAuthority.create(directory.path, 'stranger');
    expect(await refusal(watching({ ca: stranger.ca }))).toMatch(/certificate/i);
    expect(server.logins).toBe(0);
  });

  test('a server of another name is refused, and says why', async () => {
    await serve(OTHER_NAME);
    expect(await refusal(watching({ ca: authority.ca }))).toMatch(/altnames/i);
    expect(server.logins).toBe(0);
  });

  test('a server of another name is taken where serverName is that name', async () => {
    await serve(OTHER_NAME);
    await live(watching({ ca: authority.ca, serverName: 'nacos.example' }));
    expect(server.logins).toBe(1);
  });

  test('a server that asks for a certificate of ours gets it', async () => {
    await serve({}, true);
    await live(watching({ ca: authority.ca, ...(await authority.issue('sidecar')) }));
    expect(server.logins).toBe(1);
  });

  test('a server that asks for a certificate of ours refuses who has none', async () => {
    await serve({}, true);
    await refusal(watching({ ca: authority.ca }));
    expect([server.connections, server.logins]).toEqual([[], 0]);
  });

  test('a certificate that was renewed is used by the next connection', async () => {
    await serve({}, true);
    const stranger = await CertificateAuthority.create(directory.path, 'stranger');
    const own = await stranger.issue('sidecar');
    const watch = watching({ ca: authority.ca, ...own });
    await refusal(watch);
    await authority.issue('sidecar', {}, own);
    await live(watch);
  });
});
