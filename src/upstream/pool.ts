// HOT PATH. The connections to one endpoint: the idle one used last is used next, others are dialled when there is none.
import { ProxyError } from '../errors.ts';
import type { ClientConnection, ConnectionOwner } from '../http/exchange.ts';
import type { Clock } from '../util/clock.ts';
import type { Connect, ConnectTarget, DialListener } from './connect.ts';
import { IdleConnections, type Reuse } from './idle-connections.ts';
import type { UpstreamOptions } from './options.ts';
import type { CloseReason, Starved, UpstreamLoad } from './upstream-load.ts';

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
  /** Age at which the endpoint was seen to close idle connections, in ms; absent where it was not. */
  readonly closesIdleAfterMs?: number;
}

/** Part by which the greatest age of a connection differs from the configured one, up or down. */
const MAX_AGE_JITTER = 0.1;

/** Somebody else's word that nobody is there. A dial that runs out of time may have met our own stall. */
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN']);

interface Waiting {
  readonly waiter: ConnectionWaiter;
  readonly reuse: Reuse;
}

/**
 * Each waiter has a dial of its own on the way, up to `max` connections; whichever comes first, that or a connection that
 * is released, serves the one that waits longest. A failed dial fails the one that waits longest. One writer: itself.
 */
export class Pool implements ConnectionOwner, DialListener, Starved {
  private readonly clock: Clock;
  private readonly connect: Connect;
  private readonly target: ConnectTarget;
  private readonly options: UpstreamOptions;
  private readonly load: UpstreamLoad;
  private readonly idle: IdleConnections;
  /** With the monotonic ms from which on each is not used again. */
  private readonly connections = new Map<ClientConnection, number>();
  private waiting: Waiting[] = [];
  private dialing = 0;
  /** Why the connection is closed that is being closed right now. */
  private reason: CloseReason | undefined = undefined;
  private isClosed = false;
  /** Nobody listens there: the last dial was refused by the other host, or its network. */
  isRefused = false;

  constructor(clock: Clock, connect: Connect, target: ConnectTarget, options: UpstreamOptions, load: UpstreamLoad) {
    this.clock = clock;
    this.connect = connect;
    this.target = target;
    this.options = options;
    this.load = load;
    this.idle = new IdleConnections(clock, options.connect.idleTimeoutMs, (connection) =>
      this.retire(connection, 'idle-timeout'),
    );
  }

  /**
   * A usable idle connection, at once; or undefined, and `waiter` is told when there is one, or that there will be none
   * (that also before this returns). `nowMs` is monotonic.
   */
  acquire(waiter: ConnectionWaiter, reuse: Reuse, nowMs: number): ClientConnection | undefined {
    if (reuse !== 'fresh') {
      const connection = this.idle.take(reuse, nowMs);
      if (connection !== undefined) return connection;
    }
    const { max } = this.options.connect;
    if (this.isClosed || this.waiting.length >= max) {
      const endpoint = this.target.address;
      const message = `endpoint ${endpoint}: ${this.isClosed ? 'its pool is closed' : `${max} requests wait for a connection`}`;
      waiter.onConnectFailed(new ProxyError('PF_OVERFLOW', message, { requestSent: false, endpoint }));
      return undefined;
    }
    const overflow = this.load.wait();
    if (overflow !== undefined) {
      waiter.onConnectFailed(overflow);
      return undefined;
    }
    this.waiting.push({ waiter, reuse });
    this.dialMore();
    return undefined;
  }

  /** `waiter` wants none any more; without effect where it does not wait. A dial on its way goes on, for others. */
  abandon(waiter: ConnectionWaiter): void {
    const { length } = this.waiting;
    this.waiting = this.waiting.filter((entry) => entry.waiter !== waiter);
    this.load.pending -= length - this.waiting.length;
  }

  /** It waits, and for a dial that is on its way, not for room. */
  isDialingFor(waiter: ConnectionWaiter): boolean {
    const index = this.waiting.findIndex((entry) => entry.waiter === waiter);
    return index >= 0 && index < this.dialing;
  }

  /** Connections that wait for a request. */
  get idleSize(): number {
    return this.idle.size;
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
        this.dialFailed(error);
        this.dialMore();
        done(error);
      },
    });
  }

  /** A connection that was used again turned out to be closed. */
  onStale(connection: ClientConnection): void {
    this.load.stale++;
    this.idle.limit.lost(connection.idleMs);
  }

  onAvailable(connection: ClientConnection, nowMs: number): void {
    const { idle } = this;
    const { maxIdle, maxAgeMs } = this.options.connect;
    if (maxAgeMs > 0 && (this.connections.get(connection) ?? 0) <= nowMs) {
      this.retire(connection, 'max-age');
      return;
    }
    if (this.waiting.length > 0 && this.serve(connection)) return;
    if (connection.capacity > 1 && idle.includes(connection)) return;
    if (this.isClosed || maxIdle === 0 || !connection.isUsable) {
      this.retire(connection, this.isClosed ? 'drain' : 'excess');
      return;
    }
    if (idle.size >= maxIdle && idle.oldest !== undefined) this.retire(idle.oldest, 'excess');
    idle.add(connection, nowMs);
    if (this.waiting.length > 0) this.dialMore(); // They may not use it: it makes room.
  }

  onClosed(connection: ClientConnection): void {
    if (!this.connections.delete(connection)) return;
    const nowMs = this.clock.now();
    const idleMs = this.idle.remove(connection, nowMs);
    const isByPeer = idleMs !== undefined && this.reason === undefined;
    if (isByPeer && connection.used > 0) this.idle.limit.closedByPeer(idleMs, nowMs);
    this.load.onClosed(this.reason ?? (isByPeer ? 'peer' : 'exchange'));
    this.dialMore();
  }

  /** @internal A dial succeeded. */
  onConnected(connection: ClientConnection): void {
    this.dialing--;
    this.load.dialing--;
    this.isRefused = false;
    const { maxAgeMs } = this.options.connect;
    const nowMs = this.clock.now();
    this.connections.set(connection, maxAgeMs > 0 ? nowMs + maxAgeMs * this.jitter() : Infinity);
    this.load.onOpened();
    this.onAvailable(connection, nowMs);
  }

  /** @internal A dial failed. */
  onConnectFailed(error: ProxyError): void {
    this.dialFailed(error);
    if (error.code === 'PF_CONNECT_FAILED')
      this.idle.limit.forget(); // Whoever closed connections here has gone, too.
    else if (this.idle.oldest !== undefined) this.retire(this.idle.oldest, 'excess'); // A descriptor for the next one.
    const first = this.waiting.shift();
    if (first !== undefined) this.load.pending--;
    first?.waiter.onConnectFailed(error);
    this.dialMore();
  }

  /** Takes nothing new; idle connections end now, busy ones with their exchange. */
  close(): void {
    this.isClosed = true;
    this.idle.close();
    for (const connection of [...this.connections.keys()]) this.retire(connection, 'drain');
    this.failWaiting(new ProxyError('PF_OVERFLOW', `endpoint ${this.target.address}: its pool is closed`, this.facts));
  }

  /** Ends everything now. */
  destroy(reason: ProxyError): void {
    this.isClosed = true;
    this.idle.close();
    this.reason = 'drain';
    for (const connection of [...this.connections.keys()]) connection.destroy(reason);
    this.reason = undefined;
    this.failWaiting(reason);
  }

  describe(): PoolDescription {
    const { observedMs } = this.idle.limit;
    return {
      open: this.connections.size,
      idle: this.idle.size,
      dialing: this.dialing,
      waiting: this.waiting.length,
      ...(observedMs === Infinity ? {} : { closesIdleAfterMs: Math.round(observedMs * 10) / 10 }),
    };
  }

  private get facts(): { readonly requestSent: false; readonly endpoint: string } {
    return { requestSent: false, endpoint: this.target.address };
  }

  /** Gives the connection to the first who may have it; false where nobody may. */
  private serve(connection: ClientConnection): boolean {
    const { used, capacity } = connection;
    if (!connection.isUsable || (used > 0 && this.options.connect.maxIdle === 0)) return false;
    const { reuseMs, provenMs } = this.idle.limit;
    const index =
      used === 0
        ? 0
        : this.waiting.findIndex(
            ({ reuse }) => reuse !== 'fresh' && (capacity > 1 || (reuse === 'any' ? reuseMs : provenMs) >= 0),
          );
    const [served] = index < 0 ? [] : this.waiting.splice(index, 1);
    connection.idleMs = 0;
    if (served !== undefined) this.load.pending--;
    served?.waiter.onConnection(connection);
    return served !== undefined;
  }

  /** @internal Room for another connection may be there. */
  dialMore(): void {
    const { max } = this.options.connect;
    while (!this.isClosed && this.dialing < this.waiting.length) {
      const own = this.connections.size + this.dialing;
      if (own >= max || (own > 0 && this.load.areConnectionsFull)) {
        // Whoever waits beside idle ones may not use them: one of them makes room.
        const { oldest } = this.idle;
        if (oldest === undefined) {
          if (own < max) this.load.starve(this);
          return;
        }
        this.retire(oldest, 'excess');
        continue;
      }
      this.dial(this);
    }
  }

  private dial(listener: DialListener): void {
    this.dialing++;
    this.load.dialing++;
    const { connect, timeout } = this.options;
    const { stallMs, idleMs } = timeout;
    this.connect(this.target, { connectTimeoutMs: connect.timeoutMs, stallMs, idleMs }, this, listener);
  }

  private retire(connection: ClientConnection, reason: CloseReason): void {
    this.idle.remove(connection, 0);
    this.reason = reason;
    connection.close();
    this.reason = undefined;
  }

  /** So that those that were opened together are not closed together. */
  private jitter(): number {
    return 1 - MAX_AGE_JITTER + 2 * MAX_AGE_JITTER * this.clock.random();
  }

  private dialFailed({ code, cause }: ProxyError): void {
    this.dialing--;
    this.load.onDialFailed();
    if (code === 'PF_OVERFLOW') return; // Nobody was asked.
    this.isRefused = cause instanceof Error && REFUSALS.has((cause as NodeJS.ErrnoException).code);
  }

  private failWaiting(error: ProxyError): void {
    this.load.forget(this);
    const { waiting } = this;
    this.waiting = [];
    this.load.pending -= waiting.length;
    for (const { waiter } of waiting) waiter.onConnectFailed(error);
  }
}
