// Consul under test: a server of its own for each space, or, where a variable names one, that one and what can be done to it.
import { randomUUID } from 'node:crypto';
import { createConsulAdapter } from '../../adapters/consul/consul.ts';
import { encodeRegistration, statusOf } from '../../adapters/consul/codec.ts';
import { consulId, consulName } from '../../adapters/consul/names.ts';
import type { RegistryContext } from '../../src/registry/registry.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import { ConsulProcess, findConsul, TOKEN, type ConsulServer } from '../support/servers/consul.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { Harness, Need, Space } from './harness.ts';

/** Node of records that others put into the catalog: no agent is there to take them away again. */
const NODE = 'elsewhere';
/** Consul takes so many operations in one transaction. */
const MAX_OPERATIONS = 64;
const PLANTED_TTL_MS = 600_000;

const CANNOT: Readonly<Partial<Record<Need, string>>> = {
  compaction: 'there is no history that could be compacted: a read is always of what is now',
  tls: 'needs certificates, which the harness does not make yet',
  cluster: 'needs three servers, which the harness does not start yet',
  'full-disk': 'the disk is the server’s; what cannot be written is answered with an error like any other',
};

/** One harness for each version that is there. */
export async function consulHarnesses(): Promise<Harness[]> {
  const servers = await findConsul();
  return servers
    .filter(({ found }) => found.from === 'binary')
    .map((server) => ({
      title: `Consul ${server.version}`,
      cannot: CANNOT,
      space: (options) => openSpace(server, options?.needs ?? []),
    }));
}

async function openSpace(version: ConsulServer, needs: readonly Need[]): Promise<Space> {
  const needsRights = needs.includes('rights') || needs.includes('credentials');
  const server = await ConsulProcess.start(version, {
    acl: needsRights,
    hcl: 'limits { http_max_conns_per_client = 1000 }', // All sidecars of a case come from one address.
  });
  const rights = needsRights ? await Rights.open(server) : undefined;
  const token = rights === undefined ? {} : { token: rights.token };
  const proxy = needs.includes('network')
    ? await FaultProxy.start({ host: '127.0.0.1', port: server.port })
    : undefined;
  const base = { address: proxy?.address ?? server.address };
  const transact = async (operations: readonly object[]): Promise<void> => {
    for (let first = 0; first < operations.length; first += MAX_OPERATIONS) {
      await server.call('PUT', '/v1/txn', operations.slice(first, first + MAX_OPERATIONS));
    }
  };
  const plantNode = (): Promise<void> =>
    transact([{ Node: { Verb: 'set', Node: { Node: NODE, Address: '10.255.0.1' } } }]);
  return {
    selection: { type: 'consul', options: { ...base, ...token } },
    open: async (context) =>
      createConsulAdapter(
        { ...base, ...(rights === undefined ? {} : { token: TOKEN }) },
        { allowLoopback: true, ...context },
        {},
      ),
    plant: async (instances) => {
      await plantNode();
      await transact(instances.flatMap(plantOperations));
    },
    unplant: async (instance) => {
      const ServiceID = consulId(instance.key, instance.id);
      await server.call('PUT', '/v1/catalog/deregister', { Node: NODE, ServiceID });
    },
    revoke: async (instance) => {
      const id = encodeURIComponent(consulId(instance.key, instance.id));
      await server.call('PUT', `/v1/agent/service/deregister/${id}`);
    },
    wipe: () => server.wipe(),
    plantBroken: async (key) => {
      await plantNode();
      const broken = brokenServices(key);
      await transact(broken.map((service) => ({ Service: { Verb: 'set', Node: NODE, Service: service } })));
      return broken.length;
    },
    breakDown: () => server.kill(),
    repair: () => server.restart(),
    ...(rights === undefined
      ? {}
      : {
          forbid: (key?: ServiceKey) => rights.forbid(key),
          allow: (key?: ServiceKey) => rights.allow(key),
          secrets: [rights.token, 'wr0ng-s3cret-t0ken'],
          openWithWrongSecret: async (context?: RegistryContext) =>
            createConsulAdapter({ ...base, token: 'wr0ng-s3cret-t0ken' }, { allowLoopback: true, ...context }, {}),
          forgetTokens: () => rights.forgetToken(),
          renewTokens: () => rights.makeToken(),
        }),
    openAt: async (address) => createConsulAdapter({ address }, { allowLoopback: true }, {}),
    ...(proxy === undefined ? {} : { network: proxy }),
    close: async () => {
      await proxy?.close();
      await server.close();
    },
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
  private readonly server: ConsulProcess;
  private readonly policy: string;
  private readonly denied = new Set<string>();
  private accessor = '';

  private constructor(server: ConsulProcess, policy: string) {
    this.server = server;
    this.policy = policy;
  }

  static async open(server: ConsulProcess): Promise<Rights> {
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
