// Nacos under test, by each of our drivers: one server for all spaces. Each is a namespace of its own behind a proxy that can
// break; what others register goes past that proxy, over connections of their own.
import type { NacosDriverName, NacosOptions } from '../../adapters/nacos/options.ts';
import { createNacosAdapter } from '../../adapters/nacos/nacos.ts';
import type { ServiceKey } from '../../src/registry/types.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { ServerVersion } from '../support/servers/index.ts';
import { ADMIN, NacosApi } from '../support/servers/nacos-api.ts';
import { findNacos, GRPC_OFFSET, NacosProcess } from '../support/servers/nacos.ts';
import { SCALE, TTL_MS, until, type Harness, type Need, type Space } from './harness.ts';
import { NacosPlanter } from './nacos-planter.ts';

type Cannot = Readonly<Partial<Record<Need, string>>>;

const CANNOT: Cannot = {
  compaction: 'there is no history that could be compacted: a read is always of what is now',
  'full-disk': 'ephemeral instances are in the server’s memory, nothing of them is on a disk',
  cluster: 'one server here: three of them need 1.2 GB of memory',
  tls: 'the server that is to be had as a package has no TLS on its gRPC port',
};
const POLLED: Cannot = {
  ...CANNOT,
  tls: 'the server that is to be had as a package has no TLS',
  server: 'polls are spread over 2 to 5 s all the time: no restart brings them together',
};
const ELSEWHERE = 'the server runs elsewhere, without users that are ours to make';
const CANNOT_ELSEWHERE: Cannot = { rights: ELSEWHERE, credentials: ELSEWHERE };
/** A column for each driver. */
const DRIVERS: readonly { readonly driver: NacosDriverName; readonly suffix: string; readonly cannot: Cannot }[] = [
  { driver: 'grpc', suffix: '', cannot: CANNOT },
  { driver: 'http', suffix: ' http', cannot: POLLED },
];
const RECONNECT_MS = 5_000;
/** How the tokens begin that the server gives. */
const JWT_PREFIX = 'eyJhbGciOi';

/** A harness for each version that is there and each driver; servers start with the first space, and end with `close`. */
export async function nacosHarnesses(): Promise<Harness[]> {
  const servers = await findNacos();
  return servers.flatMap((server) => {
    let running: Promise<Backend> | undefined;
    // Polling beside other columns is slower than its cases allow (W1): its column is one of the full form.
    const drivers = SCALE.isFull ? DRIVERS : DRIVERS.slice(0, 1);
    return drivers.map(({ driver, suffix, cannot }) => ({
      title: `Nacos ${server.version}${suffix}`,
      cannot: server.found.from === 'variable' ? { ...cannot, ...CANNOT_ELSEWHERE } : cannot,
      start: async () => {
        running ??= startOne(server);
        await running;
      },
      space: async (options) => {
        running ??= startOne(server);
        return openSpace(await running, driver, options?.needs ?? []);
      },
      close: async () => {
        await running?.then(
          (one) => one.close(),
          () => undefined,
        );
      },
    }));
  });
}

/** The server of all spaces. Cases break the way to it, never itself. */
interface Backend {
  readonly host: string;
  readonly port: number;
  readonly grpcPort: number;
  readonly api: NacosApi;
  /** What is logged in with; nothing where the server asks for no user. */
  readonly user: Readonly<Partial<typeof ADMIN>>;
  close(): Promise<void>;
}

/** One that a variable names runs already, and asks for no user. */
async function startOne({ found }: ServerVersion): Promise<Backend> {
  if (found.from === 'variable') {
    const [host = '', port = ''] = found.address.split(/:(?=\d+$)/);
    const ports = { port: Number(port), grpcPort: Number(port) + GRPC_OFFSET };
    return { host, ...ports, api: new NacosApi(found.address, false), user: {}, close: () => Promise.resolve() };
  }
  const server = await NacosProcess.start(found, { hasAuth: true });
  const { port, grpcPort, api } = server;
  return { host: '127.0.0.1', port, grpcPort, api, user: ADMIN, close: () => server.close() };
}

let spaces = 0;

async function openSpace(server: Backend, driver: NacosDriverName, needs: readonly Need[]): Promise<Space> {
  const namespace = `space-${process.pid}-${++spaces}`;
  const http = await FaultProxy.start({ host: server.host, port: server.port });
  const grpc = await FaultProxy.start({ host: server.host, port: server.grpcPort });
  const proxy = driver === 'grpc' ? grpc : http;
  if (needs.includes('credentials')) {
    http.isRecording = true;
    Object.assign(http, { recorded: proxy.recorded }); // What goes over both is looked at as one.
  }
  const rights = needs.includes('rights') ? await Rights.open(server.api, namespace) : undefined;
  const base: NacosOptions = {
    endpoints: [http.address],
    grpcPortOffset: grpc.port - http.port,
    namespace,
    driver,
  };
  const planter = new NacosPlanter({ endpoints: [server.api.address], namespace, ...server.user });
  const cut = async (): Promise<void> => {
    const { accepted } = proxy;
    const wasOpen = proxy.open > 0;
    proxy.reset();
    if (wasOpen) await until('they reconnect', RECONNECT_MS, () => proxy.accepted > accepted).catch(() => undefined);
  };
  return {
    selection: { type: 'nacos', options: { ...base, ...(rights?.user ?? server.user) } },
    open: async (context) => {
      const options = { allowLoopback: true, ttlMs: TTL_MS, ...context };
      const registry = createNacosAdapter({ ...base, ...server.user }, options, {});
      // Logs in: the server takes its time for that on purpose, and bounds are for what follows.
      await registry.ping(AbortSignal.timeout(RECONNECT_MS)).catch(() => undefined);
      return registry;
    },
    openAt: (address) => {
      const endpoint = `${address.replace(/:\d+$/, '')}:${http.port}`; // gRPC's port follows from that of HTTP.
      return Promise.resolve(
        createNacosAdapter({ ...base, ...server.user, endpoints: [endpoint] }, { allowLoopback: true }, {}),
      );
    },
    plant: (instances) => planter.plant(instances),
    unplant: (instance) => planter.unplant(instance),
    revoke: async (instance) => {
      // Over gRPC the connection is the lease: nobody can take a record away but by ending it.
      if (driver === 'grpc') proxy.reset();
      else await server.api.deregister(namespace, instance);
    },
    wipe: async () => {
      planter.forgetAll();
      if (driver === 'grpc') await cut();
      else await server.api.deregisterAll(namespace);
    },
    plantBroken: (key) => planter.plantBroken(key),
    breakDown: () => {
      proxy.faults.isRefusing = true;
      proxy.reset();
      return Promise.resolve();
    },
    repair: () => {
      proxy.heal();
      return Promise.resolve();
    },
    network: proxy,
    secrets: [ADMIN.password, JWT_PREFIX],
    openWithWrongSecret: (context) =>
      Promise.resolve(
        createNacosAdapter({ ...base, username: 'nacos', password: `${ADMIN.password}-` }, context ?? {}, {}),
      ),
    // A token of this server ends by its time alone. That a refused one is replaced is shown by the stand-in's tests.
    forgetTokens: cut,
    ...(rights === undefined
      ? {}
      : { forbid: (key?: ServiceKey) => rights.forbid(key), allow: (key?: ServiceKey) => rights.allow(key) }),
    close: async () => {
      planter.close();
      await Promise.all([grpc.close(), http.close()]);
    },
  };
}

/** A user whose role may do what is allowed, told by Nacos' own permissions. */
class Rights {
  readonly user: { readonly username: string; readonly password: string };
  private readonly api: NacosApi;
  private readonly namespace: string;
  private readonly granted = new Set<string>();

  private constructor(api: NacosApi, namespace: string) {
    this.api = api;
    this.namespace = namespace;
    this.user = { username: `user-of-${namespace}`, password: `password-of-${namespace}` };
  }

  static async open(api: NacosApi, namespace: string): Promise<Rights> {
    const rights = new Rights(api, namespace);
    await api.call('POST', 'users', rights.user);
    await api.call('POST', 'roles', { role: namespace, username: rights.user.username });
    await rights.grant('*:*');
    return rights;
  }

  async forbid(key: ServiceKey | undefined): Promise<void> {
    for (const resource of [...this.granted]) {
      if (key === undefined || resource === '*:*' || resource.endsWith(`/${key.service}`)) await this.revoke(resource);
    }
  }

  allow(key: ServiceKey | undefined): Promise<void> {
    return this.grant(key === undefined ? '*:*' : `DEFAULT_GROUP:naming/${key.service}`);
  }

  private async grant(resource: string): Promise<void> {
    this.granted.add(resource);
    await this.api.call('POST', 'permissions', this.permission(resource));
    await this.effective();
  }

  private async revoke(resource: string): Promise<void> {
    this.granted.delete(resource);
    await this.api.call('DELETE', 'permissions', this.permission(resource));
    await this.effective();
  }

  private permission(resource: string): Readonly<Record<string, string>> {
    return { role: this.namespace, resource: `${this.namespace}:${resource}`, action: 'rw' };
  }

  /** The server reads its permissions every 5 s. */
  private async effective(): Promise<void> {
    const token = await this.api.logIn(this.user.username, this.user.password);
    const { read } = await this.api.paths();
    const mayRead = async (service: string): Promise<boolean> => {
      const query = new URLSearchParams({ serviceName: service, namespaceId: this.namespace, accessToken: token });
      const answer = await fetch(`http://${this.api.address}/nacos${read}?${query.toString()}`);
      return answer.status === 200;
    };
    const probe = [...this.granted].find((resource) => resource !== '*:*')?.replace(/^.*\//, '') ?? 'any';
    const wanted = this.granted.size > 0;
    const end = performance.now() + 15_000;
    while ((await mayRead(probe)) !== wanted) {
      if (performance.now() > end) throw new Error('permissions did not take effect');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
