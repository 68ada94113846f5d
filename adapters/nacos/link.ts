// The one connection of a namespace, always the newest: made when wanted, paced after a loss, moved when the server asks.
import { readFileSync } from 'node:fs';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { sleep, type Clock } from '../../src/util/clock.ts';
import { abortable } from '../../src/registry/deadline.ts';
import { asRegistryError, RegistryError } from '../../src/registry/types.ts';
import type { Fields } from './answer.ts';
import { Connection } from './connection.ts';
import type { Endpoints } from './endpoints.ts';
import type { Login } from './login.ts';
import type { NacosSettings, NacosTls } from './options.ts';

/** What a link needs. */
export interface LinkOptions {
  readonly settings: NacosSettings;
  readonly namespaceId: string;
  readonly clock: Clock;
  /** Bounds the spread of the first reconnect to a third of it. */
  readonly ttlMs: number;
  readonly login: Login | undefined;
  /** The server in use, shared with the login: a token is of the cluster, the login is asked where the connection is. */
  readonly endpoints: Endpoints;
}

/** Told what happens on the connection of now. */
export interface LinkListener {
  onReady?(connection: Connection): void;
  onPush?(type: string, body: Fields): void;
  onAlive?(): void;
  onEnd?(connection: Connection, reason: RegistryError): void;
}

/** After a failed try, calls fail with its error for so long, so that many who want a connection make few tries. */
const FAIL_FAST_MS = 200;
/** The first reconnect after a loss is spread over at most this long (REGISTRIES §2.6). */
const MAX_FIRST_RECONNECT_MS = 4_000;
/** A connection that the server wants to be rid of serves until the new one has taken over, at most this long. */
const HANDOVER_MS = 3_000;

/** Made once for a namespace. One writer: itself. */
export class Link {
  private readonly options: LinkOptions;
  private readonly listeners = new Set<LinkListener>();
  private readonly closing = new AbortController();
  private readonly leaving = new Set<Connection>();
  private connection: Connection | undefined = undefined;
  private connecting: Promise<Connection> | undefined = undefined;
  private notBeforeMs = 0;
  private failure: { readonly error: RegistryError; readonly untilMs: number } | undefined = undefined;

  constructor(options: LinkOptions) {
    this.options = options;
  }

  get namespaceId(): string {
    return this.options.namespaceId;
  }

  /** The connection of now; undefined while there is none. */
  get current(): Connection | undefined {
    return this.connection;
  }

  /** The connection, made where there is none. Rejects with RegistryError. */
  ready(signal: AbortSignal): Promise<Connection> {
    if (this.connection !== undefined) return Promise.resolve(this.connection);
    if (this.closing.signal.aborted) return Promise.reject(new RegistryError('aborted', 'nacos: closed'));
    if (this.failure !== undefined && this.options.clock.now() < this.failure.untilMs) {
      return Promise.reject(this.failure.error);
    }
    return abortable(this.connect(), signal);
  }

  /** Asks on this connection, with a token; once more with a new one where the token is refused. */
  async request(connection: Connection, type: string, fields: Fields, signal: AbortSignal): Promise<Fields> {
    const { login } = this.options;
    if (login === undefined) return connection.request(type, fields, {}, signal);
    const headers = await login.headers(signal);
    try {
      return await connection.request(type, fields, headers, signal);
    } catch (error) {
      const isRefused = error instanceof RegistryError && error.kind === 'forbidden';
      if (!isRefused || !login.forget(headers['accessToken'])) throw error;
      return connection.request(type, fields, await login.headers(signal), signal);
    }
  }

  listen(listener: LinkListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Leaves nothing open. */
  close(): void {
    this.closing.abort(new RegistryError('aborted', 'nacos: closed'));
    for (const connection of [...this.leaving, ...(this.connection === undefined ? [] : [this.connection])]) {
      connection.close();
    }
    this.connection = undefined;
    this.listeners.clear();
  }

  private connect(): Promise<Connection> {
    if (this.connecting !== undefined) return this.connecting;
    const connecting = this.open();
    this.connecting = connecting;
    const done = (): void => void (this.connecting = undefined);
    connecting.then(done, done);
    return connecting;
  }

  private async open(): Promise<Connection> {
    const { clock, endpoints, settings } = this.options;
    const waitMs = this.notBeforeMs - clock.now();
    if (waitMs > 0) await sleep(clock, waitMs, this.closing.signal);
    const endpoint = endpoints.current;
    try {
      const target = `${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port + settings.grpcPortOffset}`;
      const connection = await this.openOn(target, this.closing.signal);
      this.failure = undefined;
      this.take(connection);
      return connection;
    } catch (thrown) {
      const error = asRegistryError(thrown, `nacos: ${endpoint.host}:${endpoint.port}`);
      endpoints.failed(endpoint);
      this.failure = { error, untilMs: clock.now() + FAIL_FAST_MS };
      throw error;
    }
  }

  private async openOn(target: string, signal: AbortSignal): Promise<Connection> {
    const { settings, namespaceId, clock } = this.options;
    const isCurrent = (connection: Connection): boolean => this.connection === connection;
    const opened = await Connection.open(
      {
        target,
        credentials: credentialsFrom(settings.tls),
        ...(settings.tls?.serverName === undefined ? {} : { serverName: settings.tls.serverName }),
        namespaceId,
        clock,
        onPush: (type, body, from) => {
          if (isCurrent(from)) this.tell((listener) => listener.onPush?.(type, body));
        },
        onAlive: (from) => {
          if (isCurrent(from)) this.tell((listener) => listener.onAlive?.());
        },
        onReset: (from) => {
          if (isCurrent(from)) this.moveFrom(from);
        },
        onEnd: (reason, from) => this.ended(from, reason),
      },
      signal,
    );
    if (signal.aborted) {
      opened.close();
      throw asRegistryError(signal.reason, 'nacos: connect');
    }
    return opened;
  }

  private take(connection: Connection): void {
    if (connection.ended !== undefined) throw connection.ended;
    this.connection = connection;
    this.tell((listener) => listener.onReady?.(connection));
    for (const old of this.leaving) {
      this.options.clock.setTimer(HANDOVER_MS, () => {
        old.close();
        this.leaving.delete(old);
      });
    }
  }

  private ended(connection: Connection, reason: RegistryError): void {
    this.leaving.delete(connection);
    if (this.connection !== connection) return;
    const { clock, ttlMs } = this.options;
    this.connection = undefined;
    this.notBeforeMs = clock.now() + clock.random() * Math.min(MAX_FIRST_RECONNECT_MS, ttlMs / 3);
    this.tell((listener) => listener.onEnd?.(connection, reason));
    this.reconnect();
  }

  /** The server asked for it: the new one first, so that no record is away in between. */
  private moveFrom(connection: Connection): void {
    const { clock, endpoints } = this.options;
    this.leaving.add(connection);
    this.connection = undefined;
    endpoints.failed(endpoints.current);
    this.notBeforeMs = clock.now() + clock.random() * 1_000;
    this.tell((listener) =>
      listener.onEnd?.(connection, new RegistryError('unavailable', 'nacos: the server asked to reconnect')),
    );
    this.reconnect();
  }

  /** At once where records or watches depend on it; where that fails, those who want a connection try on. */
  private reconnect(): void {
    if (this.listeners.size > 0 && !this.closing.signal.aborted) this.connect().catch(() => undefined);
  }

  private tell(call: (listener: LinkListener) => void): void {
    for (const listener of [...this.listeners]) call(listener);
  }
}

function credentialsFrom(tls: NacosTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const read = (path: string | undefined): Buffer | null => {
    if (path === undefined) return null; // What grpc-js takes for "the system's".
    try {
      return readFileSync(path);
    } catch (error) {
      throw new RegistryError('unavailable', `nacos: cannot read ${path}`, { cause: error });
    }
  };
  return credentials.createSsl(read(tls.ca), read(tls.key), read(tls.cert));
}
