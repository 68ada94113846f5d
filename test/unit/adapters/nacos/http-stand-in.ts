// A stand-in for Nacos' HTTP APIs, for versions that no package brings: v3 alone (3.2), v3 with v2 switched off (3.1), v2
// (2.5), v1 alone (1.x). It answers in their frames, and forgets, refuses or breaks when told to.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Api = 'v1' | 'v2' | 'v3';
type Json = Record<string, unknown>;

/** One request as it came: what stood in the URL apart from what stood in the body. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

const INSTANCE: Readonly<Record<Api, string>> = {
  v1: '/nacos/v1/ns/instance',
  v2: '/nacos/v2/ns/instance',
  v3: '/nacos/v3/client/ns/instance',
};
const LOGINS: Readonly<Record<Api, string>> = {
  v1: '/nacos/v1/auth/login',
  v2: '/nacos/v1/auth/login',
  v3: '/nacos/v3/auth/user/login',
};

export class NacosHttpStandIn {
  /** The APIs that there are. */
  readonly apis: Set<Api>;
  /** What is answered for one that there is not: 410 is what 3.1 says of v2. */
  absentStatus = 404;
  /** A token that has to be shown; none by default. */
  token: string | undefined = undefined;
  /** Answers everything so, where set. */
  broken: { readonly status: number; readonly text: string } | undefined = undefined;
  readonly requests: SeenRequest[] = [];
  /** `group@@service`, then `ip:port`. */
  readonly services = new Map<string, Map<string, Json>>();
  private readonly server: Server;

  constructor(...apis: readonly Api[]) {
    this.apis = new Set(apis);
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Records of one service, by `ip:port`. */
  of(name: string): Map<string, Json> {
    const found = this.services.get(name) ?? new Map<string, Json>();
    this.services.set(name, found);
    return found;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { pathname, search } = new URL(request.url ?? '', 'http://x');
    const { method = '', headers } = request;
    this.requests.push({ method, path: pathname, query: search, body, headers });
    const { status, text } = this.answer(method, pathname, new URLSearchParams(body === '' ? search : body), headers);
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  }

  private answer(
    method: string,
    path: string,
    fields: URLSearchParams,
    headers: IncomingMessage['headers'],
  ): { status: number; text: string } {
    if (this.broken !== undefined) return this.broken;
    if (Object.entries(LOGINS).some(([api, login]) => login === path && this.apis.has(api as Api))) {
      return ok({ accessToken: this.token ?? 'any', tokenTtl: 18_000 });
    }
    const api = (Object.keys(INSTANCE) as Api[]).find((one) => path.startsWith(`/nacos/${one}/`));
    if (api === undefined || !this.apis.has(api)) return { status: this.absentStatus, text: '<html>absent</html>' };
    const shown = headers['accesstoken'] ?? headers.authorization?.replace('Bearer ', '');
    if (this.token !== undefined && shown !== this.token) return { status: 403, text: '{"code":403}' };
    const service = fields.get('serviceName') ?? '';
    const name = service.includes('@@') ? service : `${fields.get('groupName') ?? ''}@@${service}`;
    const wrap = (data: unknown, code = 0): { status: number; text: string } =>
      ok(api === 'v1' ? data : { code, message: 'success', data });
    if (path.endsWith('/list')) {
      const hosts = [...this.of(name).values()];
      return wrap(
        api === 'v3' ? hosts : { name, hosts, lastRefTime: 1, checksum: '', reachProtectionThreshold: false },
      );
    }
    if (path.endsWith('/service/list')) return wrap({ count: 1, doms: [...this.services.keys()] });
    const isBeat = path.endsWith('/beat') || fields.get('heartBeat') === 'true';
    const beat = fields.get('beat');
    const { ip, port } = beat === null ? Object.fromEntries(fields) : (JSON.parse(beat) as Json);
    const place = `${String(ip)}:${String(port)}`;
    if (isBeat) {
      const isKnown = this.of(name).has(place);
      // 3.x and 2.x say it by a code of their own, 1.x in the answer itself.
      if (api === 'v3') return isKnown ? wrap('ok') : wrap('instance not found', 21_003);
      const code = isKnown ? 10_200 : 20_404;
      return wrap({ code, clientBeatInterval: 5_000, lightBeatEnabled: true });
    }
    if (method === 'DELETE') this.of(name).delete(place);
    else {
      const metadata = JSON.parse(fields.get('metadata') ?? '{}') as Json;
      this.of(name).set(place, {
        ...{ ip, port: Number(port), weight: Number(fields.get('weight')), metadata },
        ...{ healthy: true, enabled: true, ephemeral: true, clusterName: fields.get('clusterName') },
      });
    }
    return api === 'v1' ? { status: 200, text: 'ok' } : wrap('ok');
  }
}

function ok(value: unknown): { status: number; text: string } {
  return { status: 200, text: JSON.stringify(value) };
}
