// HOT PATH. What of one upstream is under way, over all endpoints that it ever had, and how much of it may be.
import { ProxyError } from '../errors.ts';
import type { LimitOptions } from './options.ts';

/**
 * Why a connection was closed. `peer`: by the other end, while idle. `exchange`: with the exchange on it, because the answer
 * said so or because it failed. `idle-timeout`, `max-age`: by us, for these options. `excess`: by us, to keep to `maxIdle`
 * or to make room. `drain`: its endpoint has left.
 */
export const CLOSE_REASONS = ['peer', 'exchange', 'idle-timeout', 'max-age', 'excess', 'drain'] as const;

export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Who would make a connection as soon as one more may be had. */
export interface Starved {
  dialMore(): void;
}

/** What is bounded. */
export type LimitName = keyof LimitOptions;

/**
 * Bounds as Envoy's circuit-breaker thresholds have them: what is beyond fails at once. One for each upstream; written by its
 * attempts, its pools and its queue, read by metrics and the admin view.
 */
export class UpstreamLoad {
  /** Attempts under way, from the pick to the end of the exchange, and those of them that are retries. */
  requests = 0;
  retries = 0;
  /** Requests that wait for a connection, or for the first list. */
  pending = 0;
  /** Connections that are being made, and that are open. */
  dialing = 0;
  open = 0;
  /** Since the start, as all that follow. */
  opened = 0;
  /** Requests that met a connection which had been closed while it was idle, and took a fresh one. */
  stale = 0;
  readonly closed: Record<CloseReason, number> = {
    peer: 0,
    exchange: 0,
    'idle-timeout': 0,
    'max-age': 0,
    excess: 0,
    drain: 0,
  };
  /** Requests that were refused, or not tried again, since this was full. Want of connections makes them wait instead. */
  readonly overflows: Record<Exclude<LimitName, 'connections'>, number> = { pending: 0, requests: 0, retries: 0 };
  readonly limits: LimitOptions;
  private readonly starved = new Set<Starved>();
  private readonly name: string;

  /** @param name of the upstream, for messages. */
  constructor(name: string, limits: LimitOptions) {
    this.name = name;
    this.limits = limits;
  }

  /** Why an attempt may not begin: PF_OVERFLOW, which is not tried again. */
  refusal(isRetry: boolean): ProxyError | undefined {
    const { limits } = this;
    if (this.requests >= limits.requests) return this.overflow('requests', 'requests are under way');
    if (isRetry && this.retries >= limits.retries) return this.overflow('retries', 'retries are under way');
    return undefined;
  }

  /** `refusal` of a first attempt as things are; counts nothing. */
  get wouldRefuse(): ProxyError | undefined {
    return this.requests >= this.limits.requests ? this.refused('requests', 'requests are under way') : undefined;
  }

  /** May there be one retry more? Counts it as refused otherwise. */
  admitsRetry(): boolean {
    if (this.retries < this.limits.retries) return true;
    this.overflows.retries++;
    return false;
  }

  /** Why a request may not wait; counts it as waiting otherwise. */
  wait(): ProxyError | undefined {
    if (this.pending >= this.limits.pending) return this.overflow('pending', 'requests wait');
    this.pending++;
    return undefined;
  }

  begin(isRetry: boolean): void {
    this.requests++;
    if (isRetry) this.retries++;
  }

  end(isRetry: boolean): void {
    this.requests--;
    if (isRetry) this.retries--;
  }

  /** No endpoint that has a connection may have another one. */
  get areConnectionsFull(): boolean {
    return this.open + this.dialing >= this.limits.connections;
  }

  onOpened(): void {
    this.open++;
    this.opened++;
  }

  onClosed(reason: CloseReason): void {
    this.open--;
    this.closed[reason]++;
    if (this.starved.size > 0) this.feed();
  }

  onDialFailed(): void {
    this.dialing--;
    if (this.starved.size > 0) this.feed();
  }

  /** `limits.connections` kept it from making one: it is told when there is room. */
  starve(one: Starved): void {
    this.starved.add(one);
  }

  forget(one: Starved): void {
    this.starved.delete(one);
  }

  /** Longest first, as many as there is room for. */
  private feed(): void {
    for (const one of [...this.starved]) {
      if (this.areConnectionsFull) return;
      this.starved.delete(one);
      one.dialMore();
    }
  }

  private overflow(limit: Exclude<LimitName, 'connections'>, what: string): ProxyError {
    this.overflows[limit]++;
    return this.refused(limit, what);
  }

  private refused(limit: LimitName, what: string): ProxyError {
    return new ProxyError('PF_OVERFLOW', `upstream ${this.name}: ${this.limits[limit]} ${what} (limits.${limit})`);
  }
}
