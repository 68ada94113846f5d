// HOT PATH. The idle connections to one endpoint, and since when: the one used last is used next, the rest age at the bottom.
import type { ClientConnection } from '../http/exchange.ts';
import type { Clock, Timer } from '../util/clock.ts';
import { IdleLimit } from './idle-limit.ts';

/**
 * Which connection will do. `any`: for what is sent again where the connection turns out to be closed. `proven`: for what
 * cannot be, one of an age at which connections to this endpoint were seen open. `fresh`: one on which nothing was sent yet.
 */
export type Reuse = 'any' | 'proven' | 'fresh';

/** Has those closed that were idle for too long. One writer: their pool. */
export class IdleConnections {
  /** Oldest first. */
  private readonly list: ClientConnection[] = [];
  private readonly sinceMs: number[] = [];
  private readonly clock: Clock;
  private readonly timeoutMs: number;
  private readonly retire: (connection: ClientConnection) => void;
  private timer: Timer | undefined = undefined;
  private isLooking = false;
  /** What the endpoint has shown of how long it keeps one. */
  readonly limit = new IdleLimit();

  /** @param retire closes one that was taken out since nobody can use it any more. */
  constructor(clock: Clock, timeoutMs: number, retire: (connection: ClientConnection) => void) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
    this.retire = retire;
  }

  get size(): number {
    return this.list.length;
  }

  /** The one that has been idle for longest. */
  get oldest(): ClientConnection | undefined {
    return this.list[0];
  }

  includes(connection: ClientConnection): boolean {
    return this.list.includes(connection);
  }

  add(connection: ClientConnection, nowMs: number): void {
    this.list.push(connection);
    this.sinceMs.push(nowMs);
    this.timer ??= this.clock.setTimer(this.timeoutMs, this.expire);
  }

  /** Takes out the youngest, where it will do. `nowMs` is monotonic. */
  take(reuse: 'any' | 'proven', nowMs: number): ClientConnection | undefined {
    const { list, sinceMs, limit } = this;
    for (let last = list.length - 1; last >= 0; last = list.length - 1) {
      const connection = list[last];
      if (connection === undefined) return undefined;
      if (!connection.isUsable || connection.capacity === 0) {
        this.pop();
        this.retire(connection);
        continue;
      }
      if (connection.capacity > 1) return connection;
      const ageMs = nowMs - (sinceMs[last] ?? nowMs);
      if (ageMs > (reuse === 'any' ? limit.reuseMs : limit.provenMs)) {
        if (reuse === 'proven') this.lookLater();
        return undefined;
      }
      this.pop();
      connection.idleMs = ageMs;
      return connection;
    }
    return undefined;
  }

  /** Takes out `connection`. @returns for how many ms it was idle; undefined where it was not. */
  remove(connection: ClientConnection, nowMs: number): number | undefined {
    const index = this.list.lastIndexOf(connection);
    if (index < 0) return undefined;
    const ageMs = nowMs - (this.sinceMs[index] ?? nowMs);
    this.list.splice(index, 1);
    this.sinceMs.splice(index, 1);
    return ageMs;
  }

  /** No timer runs any more. */
  close(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** What is idle behind the events of this turn of the loop is open. */
  private lookLater(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    setImmediate(look, this);
  }

  /** @internal */
  look(): void {
    this.isLooking = false;
    if (this.oldest?.isUsable !== true) return;
    const nowMs = this.clock.now();
    this.limit.kept(nowMs - (this.sinceMs[0] ?? nowMs));
  }

  private pop(): void {
    this.list.pop();
    this.sinceMs.pop();
  }

  private readonly expire = (): void => {
    this.timer = undefined;
    const nowMs = this.clock.now();
    let aged = 0;
    while (aged < this.list.length && (this.sinceMs[aged] ?? 0) + this.timeoutMs <= nowMs) aged++;
    if (aged > 0) this.limit.survived(nowMs - (this.sinceMs[0] ?? nowMs));
    this.sinceMs.splice(0, aged);
    for (const connection of this.list.splice(0, aged)) this.retire(connection);
    const next = this.sinceMs[0];
    if (next !== undefined) this.timer ??= this.clock.setTimer(Math.max(1, next + this.timeoutMs - nowMs), this.expire);
  };
}

function look(idle: IdleConnections): void {
  idle.look();
}
