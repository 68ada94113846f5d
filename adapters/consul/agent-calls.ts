// Plain calls to the agent through package `consul`: signs of life, deregistration, names of services, who the agent is.
// Always with a timeout, and never with the package's own errors: they carry the request's headers, and so the token.
import { EventEmitter } from 'node:events';
import type Consul from 'consul';
import { RegistryError } from '../../src/registry/types.ts';
import type { CheckStatus } from './codec.ts';
import { fields, text } from './codec.ts';
import { failure, refusal, type Connection } from './connection.ts';

/** What the package passes on to its HTTP layer beside its own options. */
interface CallOptions {
  readonly token?: string;
  /** In ms. */
  readonly timeout: number;
  /** Ends the call when it emits `cancel`. */
  readonly ctx: EventEmitter;
}

/** The signal's deadline comes first; this one is for a body that stops in its middle, where the package waits for ever. */
const TIMEOUT_MS = 10_000;
const MAX_SOCKETS = 4;
/** How an agent says that it has nothing of an id; the latter: 1.8 without access control, of a check. */
const UNKNOWN_WORDS = /Unknown (check|service)|does not have associated TTL/i;
/** The agent has nothing of that id. */
const UNKNOWN = new RegistryError('protocol', 'consul: unknown to the agent');

/** The package's client, made anew when certificates changed. */
export class AgentCalls {
  private readonly connection: Connection;
  private client: { readonly version: string; readonly consul: Consul } | undefined = undefined;
  private isClosed = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** One sign of life, with a status. `unknown`: the agent has no such check. */
  async report(checkId: string, status: CheckStatus, signal: AbortSignal): Promise<'taken' | 'unknown'> {
    const { agent } = await this.open();
    const name = status === 'passing' ? 'pass' : status === 'warning' ? 'warn' : 'fail';
    try {
      await this.call(`agent/check/${name}`, signal, (options) => agent.check[name]({ id: checkId, ...options }));
      return 'taken';
    } catch (error) {
      if (error === UNKNOWN) return 'unknown';
      throw error;
    }
  }

  /** Takes a service away; resolves as well where the agent has none of this id. */
  async deregister(serviceId: string, signal: AbortSignal): Promise<void> {
    const { agent } = await this.open();
    try {
      await this.call('agent/service/deregister', signal, (options) =>
        agent.service.deregister({ id: serviceId, ...options }),
      );
    } catch (error) {
      if (error !== UNKNOWN) throw error;
    }
  }

  /** Names of all services in the catalog, and the tags used in each. */
  async services(signal: AbortSignal): Promise<ReadonlyMap<string, unknown>> {
    const { catalog } = await this.open();
    const { datacenter } = this.connection.target;
    const found = await this.call('catalog/services', signal, (options) =>
      catalog.service.list({ ...(datacenter === undefined ? {} : { dc: datacenter }), ...options }),
    );
    return new Map(Object.entries(fields(found)));
  }

  /** `datacenter/node id` of the agent. */
  async self(signal: AbortSignal): Promise<string> {
    const { agent } = await this.open();
    const found: unknown = await this.call('agent/self', signal, (options) => agent.self(options));
    const { Datacenter, NodeID, NodeName } = fields(fields(found)['Config']);
    const datacenter = text(Datacenter);
    if (datacenter === undefined) throw new RegistryError('protocol', 'consul agent/self: not what an agent answers');
    return `${datacenter}/${text(NodeID) ?? text(NodeName) ?? '?'}`;
  }

  close(): void {
    this.isClosed = true;
    this.client?.consul.destroy();
    this.client = undefined;
  }

  private async open(): Promise<Consul> {
    const [{ default: ConsulClass }, http, https] = await Promise.all([
      import('consul'),
      import('node:http'),
      import('node:https'),
    ]);
    if (this.isClosed) throw new RegistryError('aborted', 'consul: closed');
    const { material, version } = this.connection.tls();
    if (this.client?.version === version) return this.client.consul;
    const { origin, socketPath, namespace, partition } = this.connection.target;
    const isTls = origin.startsWith('https:');
    const settings = { keepAlive: true, maxSockets: MAX_SOCKETS };
    const options = {
      baseUrl: `${origin}/v1`,
      agent: isTls ? new https.Agent({ ...settings, ...material }) : new http.Agent(settings),
      headers: {
        // The package has no parameter for them in most calls.
        ...(namespace === undefined ? {} : { 'x-consul-namespace': namespace }),
        ...(partition === undefined ? {} : { 'x-consul-partition': partition }),
      },
      ...(socketPath === undefined ? {} : { socketPath }),
    };
    this.client?.consul.destroy();
    this.client = { version, consul: new ConsulClass(options) };
    return this.client.consul;
  }

  /** Rejects with UNKNOWN where the agent has no check or service of that id. */
  private async call<T>(path: string, signal: AbortSignal, run: (options: CallOptions) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const token = this.connection.token();
    const ctx = new EventEmitter();
    const onAbort = (): void => void ctx.emit('cancel');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await run({ timeout: TIMEOUT_MS, ctx, ...(token === undefined ? {} : { token }) });
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      const { isResponse, isTimeout, statusCode, message } = fields(thrown) as Partial<PackageError>;
      if (isTimeout === true) throw new RegistryError('timeout', `consul ${path}: no answer within ${TIMEOUT_MS} ms`);
      if (isResponse !== true || statusCode === undefined) throw failure(thrown, `/v1/${path}`);
      const said: unknown = fields((thrown as { response?: unknown }).response)['body'];
      const answer = Buffer.isBuffer(said) ? said.toString('utf8') : typeof said === 'string' ? said : (message ?? '');
      // 500 on older agents, 404 on newer ones.
      if ((statusCode === 404 || statusCode === 500) && UNKNOWN_WORDS.test(answer)) throw UNKNOWN;
      throw refusal(statusCode, answer, `/v1/${path}`, token);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/** What the package's HTTP layer throws. */
interface PackageError {
  readonly isResponse: boolean;
  readonly isTimeout: boolean;
  readonly statusCode: number;
  readonly message: string;
}
