// HOT PATH. All upstreams by the name that the app calls: those of the configuration from the start, others from their first call on.
import { ProxyError } from '../errors.ts';
import type { Handler, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { serviceKey, type ServiceKey } from '../registry/types.ts';
import type { Timer } from '../util/clock.ts';
import type { BreakerView } from './breaker-view.ts';
import type { ConcurrencyView } from './concurrency-view.ts';
import type { FallbackView } from './fallback-view.ts';
import type { HedgeView } from './hedge-view.ts';
import type { UpstreamOptions } from './options.ts';
import { ProbeSlots } from './probe-slots.ts';
import { Upstream, type UpstreamContext } from './upstream.ts';

/** How an upstream's requests are handled: the layers that belong to it, and what its metrics read. */
export interface UpstreamCall {
  readonly handle: Handler;
  readonly budget: { ratioLeft(nowMs: number): number };
  /** Undefined where configuration has none. */
  readonly breaker: BreakerView | undefined;
  /** Likewise. */
  readonly fallback?: FallbackView | undefined;
  readonly concurrency?: ConcurrencyView | undefined;
  readonly hedge?: HedgeView | undefined;
}

/** One upstream that is open. */
export interface UpstreamEntry {
  readonly upstream: Upstream;
  readonly call: UpstreamCall;
  /** Named in the configuration: never closed for being idle. */
  readonly isConfigured: boolean;
  /** Monotonic ms. */
  lastUsedMs: number;
}

/** An upstream as the configuration names it. */
export interface NamedUpstream extends UpstreamOptions {
  readonly name: string;
  readonly key: ServiceKey;
}

export interface UpstreamsContext extends UpstreamContext {
  readonly configured: Iterable<NamedUpstream>;
  /** For those that the configuration does not name. */
  readonly defaults: UpstreamOptions;
  /** Builds the layers around an upstream. */
  readonly call: (upstream: Upstream) => UpstreamCall;
}

/** Watches on demand, at most; beyond it the one that was not used for longest is closed. */
const MAX_ON_DEMAND = 1_000;
/** Without a request for so long, a watch on demand is closed. */
const IDLE_MS = 600_000;
const SWEEP_MS = 30_000;
/** Names remembered as existing after their watch was closed, at most. */
const MAX_REMEMBERED = 10_000;

/** One writer: itself. */
export class Upstreams {
  private readonly context: UpstreamsContext;
  private readonly entries = new Map<string, UpstreamEntry>();
  /** On demand, in the order of their opening. */
  private readonly remembered = new Set<string>();
  private onDemand = 0;
  private sweepTimer: Timer | undefined = undefined;
  private isClosed = false;

  /** Begins to watch what is configured. */
  constructor(context: UpstreamsContext) {
    this.context = { ...context, probeSlots: context.probeSlots ?? new ProbeSlots() };
    for (const { name, key, ...options } of context.configured) this.open(name, key, options, true);
  }

  /**
   * Handles a request for the service that the app calls `name` (lower case, in the form of a host name).
   * Rejects with PF_NO_ROUTE, PF_NO_ENDPOINT, PF_OVERFLOW, and as its attempts do. Labels the request, once the name is known to exist.
   */
  handle(name: string, request: ProxyRequest): Promise<ProxyResponse> {
    const entry = this.entries.get(name) ?? this.openOnDemand(name, request.receivedAtMs);
    if (entry instanceof ProxyError) return Promise.reject(entry);
    entry.lastUsedMs = request.receivedAtMs;
    if (entry.upstream.isKnown) {
      request.upstream = name;
      return entry.call.handle(request);
    }
    return labelled(entry, request);
  }

  /** The upstream of that name, where it is open. */
  get(name: string): UpstreamEntry | undefined {
    return this.entries.get(name);
  }

  /** All that are open. */
  all(): Iterable<UpstreamEntry> {
    return this.entries.values();
  }

  /** Those of all that are open, by name. */
  *breakers(): Generator<readonly [upstream: string, breaker: BreakerView]> {
    for (const [name, { call }] of this.entries) if (call.breaker !== undefined) yield [name, call.breaker];
  }

  /** Ends all watches; what is in flight ends, then connections are closed. */
  close(): void {
    this.isClosed = true;
    this.sweepTimer?.cancel();
    for (const { upstream } of this.entries.values()) upstream.close();
  }

  /** As `close`, at once. */
  destroy(reason: ProxyError): void {
    this.close();
    for (const { upstream } of this.entries.values()) upstream.destroy(reason);
  }

  private openOnDemand(name: string, nowMs: number): UpstreamEntry | ProxyError {
    if (this.isClosed) return new ProxyError('PF_DRAINING', 'this sidecar is stopping');
    if (this.onDemand >= MAX_ON_DEMAND && !this.closeLeastUsed()) {
      return new ProxyError('PF_OVERFLOW', `more than ${MAX_ON_DEMAND} services are in use`);
    }
    try {
      const entry = this.open(name, serviceKey(name), this.context.defaults, false);
      entry.lastUsedMs = nowMs;
      this.onDemand++;
      this.sweepTimer ??= this.context.clock.setTimer(SWEEP_MS, this.sweep);
      return entry;
    } catch (cause) {
      return new ProxyError('PF_NO_ROUTE', `no service can be called ${name}`, { cause });
    }
  }

  private open(name: string, key: ServiceKey, options: UpstreamOptions, isConfigured: boolean): UpstreamEntry {
    const isKnown = isConfigured || this.remembered.has(name);
    const upstream = new Upstream({ name, key, options, isKnown }, this.context);
    const entry = { upstream, call: this.context.call(upstream), isConfigured, lastUsedMs: 0 };
    this.entries.set(name, entry);
    return entry;
  }

  private closeOnDemand(entry: UpstreamEntry): void {
    const { upstream } = entry;
    this.entries.delete(upstream.name);
    this.onDemand--;
    if (upstream.isKnown && this.remembered.size < MAX_REMEMBERED) this.remembered.add(upstream.name);
    upstream.close();
  }

  /** Makes room; names of which nothing was ever seen go first. False where all have requests on their way. */
  private closeLeastUsed(): boolean {
    let least: UpstreamEntry | undefined;
    for (const entry of this.entries.values()) {
      const { upstream, isConfigured, lastUsedMs } = entry;
      if (isConfigured || upstream.inFlight > 0 || upstream.queue.size > 0) continue;
      const isWorse =
        least === undefined ||
        (upstream.isKnown === least.upstream.isKnown ? lastUsedMs < least.lastUsedMs : !upstream.isKnown);
      if (isWorse) least = entry;
    }
    if (least === undefined) return false;
    this.closeOnDemand(least);
    return true;
  }

  private readonly sweep = (): void => {
    const untilMs = this.context.clock.now() - IDLE_MS;
    for (const entry of [...this.entries.values()]) {
      const { upstream, isConfigured, lastUsedMs } = entry;
      if (!isConfigured && lastUsedMs <= untilMs && upstream.inFlight === 0) this.closeOnDemand(entry);
    }
    this.sweepTimer = this.onDemand > 0 ? this.context.clock.setTimer(SWEEP_MS, this.sweep) : undefined;
  };
}

/** A label may come from the registry, never from a request: it is set when the registry has named an instance. */
async function labelled({ upstream, call }: UpstreamEntry, request: ProxyRequest): Promise<ProxyResponse> {
  try {
    return await call.handle(request);
  } finally {
    if (upstream.isKnown) request.upstream = upstream.name;
  }
}
