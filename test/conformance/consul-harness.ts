// Consul under test: a server of its own for each space, or, where a variable names one, that one and what can be done to it.
import { randomUUID } from 'node:crypto';
import { createConsulAdapter } from '../../adapters/consul/consul.ts';
import { encodeRegistration, statusOf } from '../../adapters/consul/codec.ts';
import { consulId, consulName } from '../../adapters/consul/names.ts';
import type { ConsulOptions } from '../../adapters/consul/options.ts';
import type { Registry, RegistryContext } from '../../src/registry/registry.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import { canMakeCertificates } from '../support/certificates.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { callConsul, ConsulProcess, findConsul, TOKEN } from '../support/servers/consul.ts';
import { forShortForm, type ServerVersion } from '../support/servers/index.ts';
import { SCALE, type Harness, type Need, type Space } from './harness.ts';
import { openTlsSpace, type TlsBackend } from './tls-space.ts';

/** Node of records that others put into the catalog: no agent is there to take them away again. */
const NODE = 'elsewhere';
/** Consul takes so many operations in one transaction. */
const MAX_OPERATIONS = 64;
const PLANTED_TTL_MS = 600_000;
const WRONG_TOKEN = 'wr0ng-s3cret-t0ken';
const ELSEWHERE = 'the server is named by a variable, and not ours to end or to configure';

const CANNOT: Readonly<Partial<Record<Need, string>>> = {
  compaction: 'there is no history that could be compacted: a read is always of what is now',
  ...(canMakeCertificates() ? {} : { tls: 'needs the openssl program, which makes the certificates' }),
  cluster: 'a sidecar speaks to the agent beside it: which server that asks is the agent’s concern',
  'full-disk': 'the disk is the server’s; what cannot be written is answered with an error like any other',
};

/** One harness for each version that is there; the newest alone in the short form. */
export async function consulHarnesses(): Promise<Harness[]> {
  const servers = await findConsul();
  return (SCALE.isFull ? servers : forShortForm(servers)).map((server) => {
    const isOurs = server.found.from !== 'variable';
    const elsewhere = { server: ELSEWHERE, rights: ELSEWHERE, credentials: ELSEWHERE, tls: ELSEWHERE };
    const oneByOne = turns();
    return {
      title: `Consul ${server.version}`,
      cannot: { ...CANNOT, ...(isOurs ? {} : elsewhere) },
      space: (options) =>
        isOurs
          ? startBackend(server, options?.needs ?? []).then((backend) => openSpace(backend, options?.needs ?? []))
          : oneByOne().then((done) => openSpace(backendElsewhere(server, done), options?.needs ?? [])),
    };
  });
}

/** A server, as the one who runs it sees it. */
interface Backend {
  readonly host: string;
  readonly port: number;
  /** What may do everything there; undefined where everybody may. */
  readonly token: string | undefined;
  readonly tls: Awaited<ReturnType<typeof openTlsSpace>> | undefined;
  call(method: string, path: string, body?: unknown): Promise<unknown>;
  wipe(): Promise<void>;
  /** Undefined: not ours to end, so only the way to it is cut. */
  breakDown?(): Promise<void>;
  repair?(): Promise<void>;
  close(): Promise<void>;
}

async function startBackend(version: ServerVersion, needs: readonly Need[]): Promise<Backend> {
  const acl = needs.includes('rights') || needs.includes('credentials');
  // All sidecars of a case come from one address.
  const server = await ConsulProcess.start(version, { acl, hcl: 'limits { http_max_conns_per_client = 1000 }' });
  const tls = needs.includes('tls') ? await openTlsSpace(tlsBackend(version)) : undefined;
  return {
    host: '127.0.0.1',
    port: server.port,
    token: acl ? TOKEN : undefined,
    tls,
    call: (method, path, body) => server.call(method, path, body),
    wipe: () => server.wipe(),
    breakDown: () => server.kill(),
    repair: () => server.restart(),
    close: async () => {
      await tls?.close();
      await server.close();
    },
  };
}

function tlsBackend(version: ServerVersion): TlsBackend {
  return {
    start: (tls) => ConsulProcess.start(version, { tls }),
    open: (address, tls) => createConsulAdapter({ address: `https://${address}`, tls }, { allowLoopback: true }, {}),
  };
}

/** One that a variable names: emptied before and after, since cases follow each other on it. */
function backendElsewhere({ found }: ServerVersion, done: () => void): Backend {
  const address = found.from === 'variable' ? found.address : '';
  const [host = '', port = ''] = address.split(':');
  const token = process.env['PILOTFISH_TEST_CONSUL_TOKEN'];
  const call = (method: string, path: string, body?: unknown): Promise<unknown> =>
    callConsul(address, token, method, path, body);
  const wipe = async (): Promise<void> => {
    for (const id of Object.keys((await call('GET', '/v1/agent/services')) as object)) {
      await call('PUT', `/v1/agent/service/deregister/${encodeURIComponent(id)}`);
    }
    await call('PUT', '/v1/catalog/deregister', { Node: NODE });
  };
  return {
    host,
    port: Number(port),
    token,
    tls: undefined,
    call,
    wipe,
    close: () => wipe().finally(done),
  };
}

async function openSpace(backend: Backend, needs: readonly Need[]): Promise<Space> {
  const rights = needs.includes('rights') || needs.includes('credentials') ? await Rights.open(backend) : undefined;
  const { host, port } = backend;
  const needsProxy = backend.breakDown === undefined || needs.includes('network');
  const proxy = needsProxy ? await FaultProxy.start({ host, port }) : undefined;
  const base = { address: proxy?.address ?? `${host}:${port}` };
  const operator = { ...base, ...(backend.token === undefined ? {} : { token: backend.token }) };
  const create = async (options: ConsulOptions, context: RegistryContext = {}): Promise<Registry> =>
    createConsulAdapter(options, { allowLoopback: true, ...context }, {});
  const transact = async (operations: readonly object[]): Promise<void> => {
    for (let first = 0; first < operations.length; first += MAX_OPERATIONS) {
      await backend.call('PUT', '/v1/txn', operations.slice(first, first + MAX_OPERATIONS));
    }
  };
  const plantNode = (): Promise<void> =>
    transact([{ Node: { Verb: 'set', Node: { Node: NODE, Address: '10.255.0.1' } } }]);
  return {
    selection: { type: 'consul', options: rights === undefined ? operator : { ...base, token: rights.token } },
    open: (context) => create(operator, context),
    openAt: (address) => create({ ...operator, address }),
    plant: async (instances) => {
      await plantNode();
      await transact(instances.flatMap(plantOperations));
    },
    unplant: async (instance) => {
      const ServiceID = consulId(instance.key, instance.id);
      await backend.call('PUT', '/v1/catalog/deregister', { Node: NODE, ServiceID });
    },
    revoke: async (instance) => {
      const id = encodeURIComponent(consulId(instance.key, instance.id));
      await backend.call('PUT', `/v1/agent/service/deregister/${id}`);
    },
    wipe: () => backend.wipe(),
    plantBroken: async (key) => {
      await plantNode();
      const broken = brokenServices(key);
      await transact(broken.map((service) => ({ Service: { Verb: 'set', Node: NODE, Service: service } })));
      return broken.length;
    },
    breakDown: async () => {
      if (backend.breakDown !== undefined) return backend.breakDown();
      if (proxy !== undefined) proxy.faults.isRefusing = true;
      proxy?.reset();
    },
    repair: async () => (backend.repair === undefined ? proxy?.heal() : backend.repair()),
    ...(rights === undefined
      ? {}
      : {
          forbid: (key?: ServiceKey) => rights.forbid(key),
          allow: (key?: ServiceKey) => rights.allow(key),
          secrets: [rights.token, WRONG_TOKEN],
          openWithWrongSecret: (context?: RegistryContext) => create({ ...base, token: WRONG_TOKEN }, context),
          forgetTokens: () => rights.forgetToken(),
          renewTokens: () => rights.makeToken(),
        }),
    ...(proxy === undefined ? {} : { network: proxy }),
    ...(backend.tls === undefined ? {} : { tls: backend.tls }),
    close: async () => {
      await proxy?.close();
      await backend.close();
    },
  };
}

/** Lets one in at a time: resolves with what the one inside calls when it is done. */
function turns(): () => Promise<() => void> {
  let last: Promise<void> = Promise.resolve();
  return async () => {
    const before = last;
    let done = (): void => undefined;
    last = new Promise((resolve) => (done = resolve));
    await before;
    return () => done();
  };
}

function plantOperations(instance: ServiceInstance): object[] {
  const { Name, ...rest } = encodeRegistration(instance, PLANTED_TTL_MS);
  const service = { Service: { Verb: 'set', Node: NODE, Service: { ...rest, Check: undefined, Service: Name } } };
  const status = statusOf(instance.health);
  if (status === 'passing') return [service];
  const check = { Node: NODE, CheckID: `service:${String(rest['ID'])}`, Name: 'health', ServiceID: rest['ID'] };
  return [service, { Check: { Verb: 'set', Check: { ...check, Status: status } } }];
}

function brokenServices(key: ServiceKey): object[] {
  const good = { Address: '10.0.0.1', Port: 80 };
  const broken: Readonly<Record<string, object>> = {
    'no-port': { Address: '10.0.0.1' },
    'negative-port': { Address: '10.0.0.1', Port: -1 },
    'large-port': { Address: '10.0.0.1', Port: 70_000 },
    'link-local': { Address: '169.254.169.254', Port: 80 },
    'no-host': { Address: 'http://10.0.0.1/', Port: 80 },
    'odd-tag': { ...good, Tags: ['\u0007'] },
    protocol: { ...good, Meta: { 'pilotfish-id': 'a', 'pilotfish-protocol': 'gopher' } },
    weight: { ...good, Meta: { 'pilotfish-id': 'b', 'pilotfish-weight': 'heavy' } },
    id: { ...good, Meta: { 'pilotfish-id': '' } },
    torn: { ...good, Meta: { 'pilotfish-id': 'd', 'pilotfish-more-0': '[["a","' } },
    odd: { ...good, Meta: { 'pilotfish-id': 'e', 'pilotfish-more-0': '{"a":1}' } },
  };
  return Object.entries(broken).map(([id, service]) => ({ ID: id, Service: consulName(key), ...service }));
}

/** A token whose one policy says what actors may do. */
class Rights {
  readonly token = randomUUID();
  private readonly server: Pick<Backend, 'call'>;
  private readonly policy: string;
  private readonly denied = new Set<string>();
  private accessor = '';

  private constructor(server: Pick<Backend, 'call'>, policy: string) {
    this.server = server;
    this.policy = policy;
  }

  static async open(server: Pick<Backend, 'call'>): Promise<Rights> {
    const policy = (await server.call('PUT', '/v1/acl/policy', { Name: 'actors', Rules: rulesWithout([]) })) as {
      ID: string;
    };
    const rights = new Rights(server, policy.ID);
    await rights.makeToken();
    return rights;
  }

  async makeToken(): Promise<void> {
    const body = { SecretID: this.token, Policies: [{ ID: this.policy }] };
    const made = (await this.server.call('PUT', '/v1/acl/token', body)) as { AccessorID: string };
    this.accessor = made.AccessorID;
  }

  async forgetToken(): Promise<void> {
    await this.server.call('DELETE', `/v1/acl/token/${this.accessor}`);
  }

  async forbid(key: ServiceKey | undefined): Promise<void> {
    this.denied.add(key === undefined ? '' : consulName(key));
    await this.apply();
  }

  async allow(key: ServiceKey | undefined): Promise<void> {
    this.denied.delete(key === undefined ? '' : consulName(key));
    await this.apply();
  }

  private async apply(): Promise<void> {
    const Rules = rulesWithout([...this.denied]);
    await this.server.call('PUT', `/v1/acl/policy/${this.policy}`, { ID: this.policy, Name: 'actors', Rules });
  }
}

function rulesWithout(denied: readonly string[]): string {
  if (denied.includes('')) return 'key_prefix "none" { policy = "read" }';
  return [
    'agent_prefix "" { policy = "read" }',
    'node_prefix "" { policy = "read" }',
    'service_prefix "" { policy = "write" }',
    ...denied.map((name) => `service "${name}" { policy = "deny" }`),
  ].join('\n');
}
