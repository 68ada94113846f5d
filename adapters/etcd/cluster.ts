// All endpoints as one: calls go to one server until it fails, then to the next; the token is renewed where it is refused.
import { RegistryError } from '../../src/registry/types.ts';
import type { Clock } from '../../src/util/clock.ts';
import { Endpoint, type Call } from './endpoint.ts';
import { etcdError } from './errors.ts';
import { Login } from './login.ts';
import type { EtcdSettings } from './options.ts';
import { TlsFiles } from './tls-files.ts';

/** What a stream is while it is open. */
export interface OpenStream<T> {
  readonly stream: T;
  /** True while it was opened with the token in use; a server judges what is asked on a stream by its token. */
  isCurrent(): boolean;
  /** To be called when it ends by itself. */
  failed(error: Error): RegistryError;
}

/** Failures after which another server may do better. */
const AWAY: ReadonlySet<string> = new Set(['unavailable', 'timeout']);

/** The way to the servers. No timers, nothing open until the first call. */
export class Cluster {
  private readonly endpoints: readonly Endpoint[];
  private readonly login: Login;
  private index: number;
  private isClosed = false;

  /** Throws RegistryError `invalid` for certificates that cannot be used. */
  constructor(settings: EtcdSettings, clock: Clock) {
    const tls = settings.isSecure ? new TlsFiles(settings.tls, clock) : undefined;
    this.endpoints = settings.hosts.map((host) => new Endpoint(host, settings, tls, clock));
    this.login = new Login(settings.user, clock);
    this.index = Math.floor(clock.random() * this.endpoints.length); // So that not all sidecars choose the same one.
  }

  /**
   * One unary call, on the next endpoint where one is away, and once more after a login where the token is refused. A call
   * may so be carried out twice: what it asks for has to be the same when asked again.
   */
  async unary<T>(where: string, signal: AbortSignal, call: Call<T>): Promise<T> {
    let mayLogIn = true;
    for (let tries = 1; ; tries++) {
      const endpoint = this.current();
      let token: string | undefined;
      let isRefusal = false;
      try {
        token = await this.ready(endpoint, signal);
        isRefusal = true; // From here on; before, it is the user and password that are refused.
        return await endpoint.unary(where, token, signal, call);
      } catch (thrown) {
        const error = etcdError(thrown, where);
        const isAway = AWAY.has(error.kind);
        if (isAway) this.leave(endpoint);
        if (signal.aborted) throw error;
        if (isRefusal && mayLogIn && error.kind === 'unauthenticated' && this.login.forget(token)) mayLogIn = false;
        else if (!isAway || tries >= this.endpoints.length) throw error;
      }
    }
  }

  /** Opens a stream that ends with the signal. */
  async stream<T>(where: string, signal: AbortSignal, call: Call<T>): Promise<OpenStream<T>> {
    const endpoint = this.current();
    const token = await this.ready(endpoint, signal);
    const stream = await endpoint.stream(where, token, signal, call);
    const failed = (thrown: Error): RegistryError => {
      const error = etcdError(thrown, `etcd ${endpoint.host}: ${where}`);
      endpoint.streamFailed(error);
      if (AWAY.has(error.kind)) this.leave(endpoint);
      if (error.kind === 'unauthenticated') this.login.forget(token);
      return error;
    };
    return { stream, isCurrent: () => this.login.token === token, failed };
  }

  close(): void {
    this.isClosed = true;
    for (const endpoint of this.endpoints) endpoint.close();
  }

  private ready(endpoint: Endpoint, signal: AbortSignal): Promise<string | undefined> {
    return this.login.ready((call) => endpoint.unary('login', undefined, signal, call));
  }

  private current(): Endpoint {
    const endpoint = this.endpoints[this.index];
    if (this.isClosed || endpoint === undefined) throw new RegistryError('aborted', 'the registry is closed');
    return endpoint;
  }

  /** Only the endpoint in use is left: many calls that fail together move on by one. */
  private leave(endpoint: Endpoint): void {
    if (this.endpoints[this.index] === endpoint) this.index = (this.index + 1) % this.endpoints.length;
  }
}
