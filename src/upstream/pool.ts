// HOT PATH. The connections to one endpoint: the idle one used last is used next, others are dialled when there is none.
import { ProxyError } from '../errors.ts';
import type { ClientConnection, ConnectionOwner } from '../http/exchange.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Connect, ConnectTarget, DialListener } from './connect.ts';
import type { UpstreamOptions } from './options.ts';

/** Who wants a connection; told once, unless it gave up (`Pool.abandon`). */
export interface ConnectionWaiter {
  onConnection(connection: ClientConnection): void;
  /** PF_CONNECT_FAILED, or PF_OVERFLOW where too many wait already; `requestSent: false`. */
  onConnectFailed(error: ProxyError): void;
}

/** For the admin view. */
export interface PoolDescription {
  readonly open: number;
  readonly idle: number;
  readonly dialing: number;
  readonly waiting: number;
}

interface Waiting {
  readonly waiter: ConnectionWaiter;
  readonly needsFresh: boolean;
}

/**
 * Each waiter has a dial of its own on the way, up to `max` connections; whichever comes first, that or a connection that
 * is released, serves the one that waits longest. A failed dial fails the one that waits longest. One writer: itself.
 */
export class Pool implements ConnectionOwner, DialListener {
  private readonly clock: Clock;
  private readonly connect: Connect;
  private readonly target: ConnectTarget;
  private readonly options: UpstreamOptions;
  /** Last in, first out: the few that are needed stay warm, the rest age at the bottom and are closed. */
  private readonly idle: ClientConnection[] = [];
  private readonly idleSinceMs: number[] = [];
  private readonly connections = new Set<ClientConnection>();
  private waiting: Waiting[] = [];
  private dialing = 0;
  private idleTimer: Timer | undefined = undefined;
  private isClosed = false;

  constructor(clock: Clock, connect: Connect, target: ConnectTarget, options: UpstreamOptions) {
    this.clock = clock;
    this.connect = connect;
    this.target = target;
    this.options = options;
  }

  /**
   * A usable idle connection, at once; or undefined, and `waiter` is told when there is one, or that there will be none
   * (that also before this returns). `needsFresh`: only one on which nothing was sent yet.
   */
  acquire(waiter: ConnectionWaiter, needsFresh: boolean): ClientConnection | undefined {
    if (!needsFresh) {
      const connection = this.takeIdle();
      if (connection !== undefined) return connection;
    }
    const { max } = this.options.connect;
    if (this.isClosed || this.waiting.length >= max) {
      const endpoint = this.target.address;
      const message = `endpoint ${endpoint}: ${this.isClosed ? 'its pool is closed' : `${max} requests wait for a connection`}`;
      waiter.onConnectFailed(new ProxyError('PF_OVERFLOW', message, { requestSent: false, endpoint }));
      return undefined;
    }
    this.waiting.push({ waiter, needsFresh });
    this.dialMore();
    return undefined;
  }

  /** `waiter` wants none any more; without effect where it does not wait. A dial on its way goes on, for others. */
  abandon(waiter: ConnectionWaiter): void {
    this.waiting = this.waiting.filter((entry) => entry.waiter !== waiter);
  }

  /** Opens one connection more, to see whether that works; it is then kept as an idle one. */
  probe(done: (error: ProxyError | undefined) => void): void {
    if (this.isClosed || this.connections.size + this.dialing >= this.options.connect.max) {
      done(undefined);
      return;
    }
    this.dial({
      onConnected: (connection) => {
        this.onConnected(connection);
        done(undefined);
      },
      onConnectFailed: (error) => {
        this.dialing--;
        this.dialMore();
        done(error);
      },
    });
  }

  onAvailable(connection: ClientConnection): void {
    if (this.waiting.length > 0 && this.serve(connection)) return;
    const { maxIdle } = this.options.connect;
    if (connection.capacity > 1 && this.idle.includes(connection)) return;
    if (this.isClosed || this.idle.length >= maxIdle || !connection.isUsable) {
      connection.close();
      return;
    }
    const nowMs = this.clock.now();
    this.idle.push(connection);
    this.idleSinceMs.push(nowMs);
    this.idleTimer ??= this.clock.setTimer(this.options.connect.idleTimeoutMs, this.closeAged);
  }

  onClosed(connection: ClientConnection): void {
    if (!this.connections.delete(connection)) return;
    const index = this.idle.lastIndexOf(connection);
    if (index >= 0) this.removeIdle(index, 1);
    this.dialMore();
  }

  /** @internal A dial succeeded. */
  onConnected(connection: ClientConnection): void {
    this.dialing--;
    this.connections.add(connection);
    this.onAvailable(connection);
  }

  /** @internal A dial failed. */
  onConnectFailed(error: ProxyError): void {
    this.dialing--;
    this.waiting.shift()?.waiter.onConnectFailed(error);
    this.dialMore();
  }

  /** Takes nothing new; idle connections end now, busy ones with their exchange. */
  close(): void {
    this.isClosed = true;
    this.idleTimer?.cancel();
    for (const connection of [...this.connections]) connection.close();
    this.failWaiting(new ProxyError('PF_OVERFLOW', `endpoint ${this.target.address}: its pool is closed`, this.facts));
  }

  /** Ends everything now. */
  destroy(reason: ProxyError): void {
    this.isClosed = true;
    this.idleTimer?.cancel();
    for (const connection of [...this.connections]) connection.destroy(reason);
    this.failWaiting(reason);
  }

  describe(): PoolDescription {
    return {
      open: this.connections.size,
      idle: this.idle.length,
      dialing: this.dialing,
      waiting: this.waiting.length,
    };
  }

  private get facts(): { readonly requestSent: false; readonly endpoint: string } {
    return { requestSent: false, endpoint: this.target.address };
  }

  private takeIdle(): ClientConnection | undefined {
    for (let connection = this.idle.at(-1); connection !== undefined; connection = this.idle.at(-1)) {
      if (connection.isUsable && connection.capacity > 0) {
        if (connection.capacity === 1) {
          this.idle.pop();
          this.idleSinceMs.pop();
        }
        return connection;
      }
      this.idle.pop();
      this.idleSinceMs.pop();
      connection.close();
    }
    return undefined;
  }

  /** Gives the connection to the first who may have it; false where nobody may. */
  private serve(connection: ClientConnection): boolean {
    if (!connection.isUsable || (connection.used > 0 && this.options.connect.maxIdle === 0)) return false;
    const index = connection.used === 0 ? 0 : this.waiting.findIndex((entry) => !entry.needsFresh);
    const [served] = index < 0 ? [] : this.waiting.splice(index, 1);
    served?.waiter.onConnection(connection);
    return served !== undefined;
  }

  private dialMore(): void {
    const { max } = this.options.connect;
    while (!this.isClosed && this.dialing < this.waiting.length) {
      if (this.connections.size + this.dialing >= max) {
        // Only who needs a fresh one waits beside idle ones: one of those makes room.
        const oldest = this.idle[0];
        if (oldest === undefined) return;
        this.removeIdle(0, 1);
        this.connections.delete(oldest);
        oldest.close();
      }
      this.dial(this);
    }
  }

  private dial(listener: DialListener): void {
    this.dialing++;
    const { connect, timeout } = this.options;
    const { stallMs, idleMs } = timeout;
    this.connect(this.target, { connectTimeoutMs: connect.timeoutMs, stallMs, idleMs }, this, listener);
  }

  private removeIdle(from: number, count: number): ClientConnection[] {
    this.idleSinceMs.splice(from, count);
    return this.idle.splice(from, count);
  }

  private failWaiting(error: ProxyError): void {
    const { waiting } = this;
    this.waiting = [];
    for (const { waiter } of waiting) waiter.onConnectFailed(error);
  }

  private readonly closeAged = (): void => {
    this.idleTimer = undefined;
    const { idleTimeoutMs } = this.options.connect;
    const nowMs = this.clock.now();
    let aged = 0;
    while (aged < this.idle.length && (this.idleSinceMs[aged] ?? 0) + idleTimeoutMs <= nowMs) aged++;
    for (const connection of this.removeIdle(0, aged)) connection.close();
    const next = this.idleSinceMs[0];
    if (next !== undefined && !this.isClosed) {
      this.idleTimer = this.clock.setTimer(Math.max(1, next + idleTimeoutMs - nowMs), this.closeAged);
    }
  };
}
