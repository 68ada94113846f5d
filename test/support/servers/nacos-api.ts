// The HTTP API of a Nacos server under test, as its operator uses it; the server is ours or runs elsewhere.
import { until } from '../until.ts';

/** The administrator of servers that are ours. */
export const ADMIN = { username: 'nacos', password: 'a-planted-secret-of-nacos' } as const;

/** Where the API has what tests need. */
const V2 = {
  admin: '/v1/auth/users/admin',
  login: '/v1/auth/login',
  users: '/v1/auth/users',
  roles: '/v1/auth/roles',
  permissions: '/v1/auth/permissions',
  services: '/v2/ns/service/list',
  instance: '/v2/ns/instance',
  instances: '/v2/ns/instance/list',
  /** For clients, with their rights. */
  read: '/v2/ns/instance/list',
} as const;
/** 3.x: since 3.1 the older paths answer 410, since 3.2 there are none. */
const V3: Readonly<Record<keyof typeof V2, string>> = {
  admin: '/v3/auth/user/admin',
  login: '/v3/auth/user/login',
  users: '/v3/auth/user',
  roles: '/v3/auth/role',
  permissions: '/v3/auth/permission',
  services: '/v3/admin/ns/service/list',
  instance: '/v3/admin/ns/instance',
  instances: '/v3/admin/ns/instance/list',
  read: '/v3/client/ns/instance/list',
};
/** Lists as 2.x and as 3.x give them. */
type Services = { readonly services: readonly string[] } | { readonly pageItems: readonly { readonly name: string }[] };
type Instance = { readonly ip: string; readonly port: number };
type Instances = { readonly hosts: readonly Instance[] } | readonly Instance[];

/** What 3.x answers to a question without a token. */
const THERE: ReadonlySet<number> = new Set([200, 401, 403]);

export class NacosApi {
  /** `host:port` of HTTP. */
  readonly address: string;
  private readonly hasAuth: boolean;
  private found: typeof V3 | undefined = undefined;

  constructor(address: string, hasAuth: boolean) {
    this.address = address;
    this.hasAuth = hasAuth;
  }

  /** The paths of this server's version, once it answers. */
  async paths(): Promise<typeof V3> {
    if (this.found === undefined) {
      const { status } = await fetch(`http://${this.address}/nacos${V3.services}?pageNo=1&pageSize=1`);
      this.found = THERE.has(status) ? V3 : V2;
    }
    return this.found;
  }

  /** One call of its HTTP API, as the administrator unless said; the answer's text. Rejects for any status but 200. */
  async call(
    method: string,
    what: keyof typeof V2,
    fields: Readonly<Record<string, string>> = {},
    asAdmin = this.hasAuth,
  ): Promise<string> {
    const token = asAdmin ? { accessToken: await this.logIn(ADMIN.username, ADMIN.password) } : undefined;
    const path = (await this.paths())[what];
    const query = new URLSearchParams({ ...fields, ...token }).toString();
    const answer = await fetch(`http://${this.address}/nacos${path}?${query}`, { method });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status}: ${text.slice(0, 200)}`);
    return text;
  }

  /** Takes away, as an operator would, what somebody has registered over HTTP. */
  async deregister(
    namespaceId: string,
    record: { readonly key: { readonly service: string }; host: string; port: number },
  ): Promise<void> {
    const { key, host: ip, port } = record;
    const fields = { namespaceId, serviceName: key.service, ip, port: String(port), ephemeral: 'true' };
    await this.call('DELETE', 'instance', fields);
  }

  /** The same for all of a namespace. */
  async deregisterAll(namespaceId: string): Promise<void> {
    const list = async (what: keyof typeof V2, fields: Readonly<Record<string, string>>): Promise<unknown> =>
      (JSON.parse(await this.call('GET', what, { namespaceId, ...fields })) as { data: unknown }).data;
    const found = (await list('services', { pageNo: '1', pageSize: '500' })) as Services;
    const services = 'services' in found ? found.services : found.pageItems.map(({ name }) => name);
    for (const service of services) {
      const instances = (await list('instances', { serviceName: service })) as Instances;
      for (const { ip, port } of 'hosts' in instances ? instances.hosts : instances) {
        await this.deregister(namespaceId, { key: { service }, host: ip, port });
      }
    }
  }

  /** A token. A user may be unknown for the first seconds: tried again for 10 s. */
  async logIn(username: string, password: string): Promise<string> {
    const body = new URLSearchParams({ username, password });
    const once = async (): Promise<string | undefined> => {
      const url = `http://${this.address}/nacos${(await this.paths()).login}`;
      const answer = await fetch(url, { method: 'POST', body });
      return answer.status === 200 ? ((await answer.json()) as { accessToken: string }).accessToken : undefined;
    };
    // A refusal may have a status line that is none.
    const token = (): Promise<string | undefined> => once().catch(() => undefined);
    return until(`${username} can log in`, token, { withinMs: 10_000, everyMs: 200 });
  }
}
