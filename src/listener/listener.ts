// One bound socket for traffic: accepts connections, gives each to its codec, and lets them go in order.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { ConnectionRoom } from '../runtime/process-limits.ts';
import type { Clock } from '../util/clock.ts';
import type { ServingContext } from '../http/serving.ts';
import { serveHttp1 } from '../http1/server-connection.ts';
import type { Http1ServerConnection, Http1ServerOwner } from '../http1/server-connection.ts';
import { withSharedReads } from '../http1/shared-reads.ts';

/** Where to listen. Port 0: any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ListenerOptions {
  readonly context: ServingContext;
  readonly room: ConnectionRoom;
}

/** New connections that a listener without time still takes at each look: one of them may be a health check. */
const TRICKLE = 8;
/** A client that has said nothing for so long did not connect because it had something to ask, whatever its way is. */
const SILENT_MS = 100;

/** A listener could not bind: the process ends with exit code 4. */
export class BindError extends Error {
  constructor(cause: Error) {
    super('a listener could not bind', { cause });
    this.name = 'BindError';
  }
}

/** Accepts until `stopAccepting`; `close` lets requests in flight end, `destroy` does not. */
export class Listener implements Http1ServerOwner {
  private readonly server: Server;
  private readonly connections = new Set<Http1ServerConnection>();
  /** Those of them that are not served: they still read why, or are about to be gone. */
  private readonly turnedAway = new Set<Http1ServerConnection>();
  private onEmpty: (() => void) | undefined = undefined;
  private isLate = false;
  private readonly options: ListenerOptions;
  /** Connections that were told that there is no room, that were closed without a word, and that made room for a newer one. */
  refused = 0;
  dropped = 0;
  displaced = 0;

  private constructor(options: ListenerOptions) {
    this.options = options;
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, this.accept);
    this.server.on('drop', () => {
      this.dropped++;
    });
    this.throttle(false);
  }

  /** @throws BindError */
  static bind(name: string, address: ListenAddress, options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    return new Promise((resolve, reject) => {
      listener.server.once('error', (error) =>
        reject(new BindError(new Error(`${name} ${address.host}:${address.port}`, { cause: error }))),
      );
      listener.server.listen({ host: address.host, port: address.port, backlog: 1_024 }, () => {
        listener.server.removeAllListeners('error');
        // Later errors are those of accept: the listener stays. Without descriptors libuv closes whoever comes, and says nothing.
        listener.server.on('error', () => undefined);
        resolve(listener);
      });
    });
  }

  /** The bound address, with the real port. */
  get address(): ListenAddress {
    const { address, port } = this.server.address() as AddressInfo;
    return { host: address, port };
  }

  /** The same as `host:port`. */
  get addressText(): string {
    const { host, port } = this.address;
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }

  /** Open connections. */
  get size(): number {
    return this.connections.size;
  }

  /** While there is more to do than time to do it, only a few connections more are taken: those that exist are served. */
  throttle(isLate: boolean): void {
    this.isLate = isLate;
    this.server.maxConnections = isLate ? this.size + TRICKLE : Infinity;
  }

  /** Closes the socket; connections that exist live on. */
  stopAccepting(): void {
    this.server.close();
  }

  /**
   * Resolves when the last connection has gone; the caller bounds its wait. Busy connections end with their current request.
   * Idle ones are closed after `idleGraceMs`: until then a request that is already on its way is still answered.
   */
  drained(clock: Clock, idleGraceMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.connections.size === 0) {
        resolve();
        return;
      }
      this.onEmpty = resolve;
      for (const connection of this.connections) if (!connection.isIdle) connection.close();
      clock.setTimer(idleGraceMs, () => {
        for (const connection of this.connections) connection.close();
      });
    });
  }

  /** Ends everything now. */
  destroy(): void {
    this.server.close();
    for (const connection of this.connections) connection.destroy();
  }

  /** @internal */
  onClosed(connection: Http1ServerConnection): void {
    this.connections.delete(connection);
    this.turnedAway.delete(connection);
    if (this.connections.size === 0) this.onEmpty?.();
  }

  private readonly accept = (accepted: Socket): void => {
    const { context, room } = this.options;
    const isServed = this.connections.size - this.turnedAway.size < room.served || this.makeRoom();
    if (!isServed && this.turnedAway.size >= room.refused) {
      this.dropped++;
      accepted.destroy();
      return;
    }
    const connection = serveHttp1(withSharedReads(accepted), context, this);
    this.connections.add(connection);
    if (isServed) return;
    this.turnedAway.add(connection);
    this.refused++;
    connection.refuse(new ProxyError('PF_OVERFLOW', `${room.served} connections are open`));
  };

  /**
   * Ends the oldest connection that has said nothing for a while. Not while the loop is late: what it said may not be read yet.
   * @returns false where there is none, or may be none
   */
  private makeRoom(): boolean {
    const { context, room } = this.options;
    if (!room.isScarce || this.isLate) return false;
    const beforeMs = context.clock.now() - SILENT_MS;
    for (const connection of this.connections) {
      if (connection.openedAtMs > beforeMs) return false;
      if (!connection.isSilent || this.turnedAway.has(connection)) continue;
      this.turnedAway.add(connection);
      this.displaced++;
      connection.destroy();
      return true;
    }
    return false;
  }
}
