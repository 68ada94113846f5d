// The HTTP API of a Nacos server under test, as its operator uses it; the server is ours or runs elsewhere.

/** The administrator of servers that are ours. */
export const ADMIN = { username: 'nacos', password: 'a-planted-secret-of-nacos' } as const;

export class NacosApi {
  /** `host:port` of HTTP. */
  readonly address: string;
  private readonly hasAuth: boolean;

  constructor(address: string, hasAuth: boolean) {
    this.address = address;
    this.hasAuth = hasAuth;
  }

  /** One call of its HTTP API, as the administrator unless said; the answer's text. Rejects for any status but 200. */
  async call(
    method: string,
    path: string,
    fields: Readonly<Record<string, string>> = {},
    asAdmin = this.hasAuth,
  ): Promise<string> {
    const token = asAdmin ? { accessToken: await this.logIn(ADMIN.username, ADMIN.password) } : undefined;
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
    await this.call('DELETE', '/v2/ns/instance', fields);
  }

  /** The same for all of a namespace. */
  async deregisterAll(namespaceId: string): Promise<void> {
    const list = async (path: string, fields: Readonly<Record<string, string>>): Promise<unknown> =>
      (JSON.parse(await this.call('GET', path, { namespaceId, ...fields })) as { data: unknown }).data;
    const { services } = (await list('/v2/ns/service/list', { pageNo: '1', pageSize: '1000' })) as {
      services: string[];
    };
    for (const service of services) {
      const { hosts } = (await list('/v2/ns/instance/list', { serviceName: service })) as {
        hosts: { ip: string; port: number }[];
      };
      for (const { ip, port } of hosts) await this.deregister(namespaceId, { key: { service }, host: ip, port });
    }
  }

  /** A token. A user may be unknown for the first seconds: tried again for 10 s. */
  async logIn(username: string, password: string): Promise<string> {
    const body = new URLSearchParams({ username, password });
    const end = performance.now() + 10_000;
    for (;;) {
      try {
        const answer = await fetch(`http://${this.address}/nacos/v1/auth/login`, { method: 'POST', body });
        if (answer.status === 200) return ((await answer.json()) as { accessToken: string }).accessToken;
      } catch {
        // A refusal with a status line that is none.
      }
      if (performance.now() > end) throw new Error(`${username} cannot log in`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
