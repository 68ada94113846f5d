// One bound socket for traffic: accepts connections, gives each to its codec, and lets them go in order.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Clock } from '../util/clock.ts';
import type { ServingContext } from '../http/serving.ts';
import { serveHttp1 } from '../http1/server-connection.ts';
import type { Http1ServerConnection } from '../http1/server-connection.ts';

/** Where to listen. Port 0: any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A listener could not bind: the process ends with exit code 4. */
export class BindError extends Error {
  constructor(cause: Error) {
    super('a listener could not bind', { cause });
    this.name = 'BindError';
  }
}

/** Accepts until `stopAccepting`; `close` lets requests in flight end, `destroy` does not. */
export class Listener {
  private readonly server: Server;
  private readonly connections = new Set<Http1ServerConnection>();
  private onEmpty: (() => void) | undefined = undefined;

  private constructor(context: ServingContext) {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
      const connection = serveHttp1(socket, context);
      this.connections.add(connection);
      socket.once('close', () => {
        this.connections.delete(connection);
        if (this.connections.size === 0) this.onEmpty?.();
      });
    });
  }

  /** @throws BindError */
  static bind(name: string, address: ListenAddress, context: ServingContext): Promise<Listener> {
    const listener = new Listener(context);
    return new Promise((resolve, reject) => {
      listener.server.once('error', (error) =>
        reject(new BindError(new Error(`${name} ${address.host}:${address.port}`, { cause: error }))),
      );
      listener.server.listen({ host: address.host, port: address.port, backlog: 1_024 }, () => {
        listener.server.removeAllListeners('error');
        // Later errors are those of accept (descriptors used up): the listener stays, the kernel keeps the queue.
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
}
