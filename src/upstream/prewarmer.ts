// Keeps idle connections ready to the endpoints that take traffic, where configuration asks for that: neither a burst nor the
// first request to a new copy waits for a handshake.
import type { Clock, Timer } from '../util/clock.ts';
import type { Endpoint } from './endpoint.ts';
import type { UpstreamLoad } from './upstream-load.ts';

/** Between two looks at what is missing, in ms. */
const LOOK_MS = 250;
/** Connections that are being made for this at the same time. */
const MAX_DIALS = 32;
/** An endpoint to which none can be made is left alone for so long, in ms; for twice as long after each further failure in a row. */
const PAUSE_MS = { first: 1_000, longest: 30_000 };

/** What was tried with one endpoint. */
interface Tried {
  dialing: number;
  failures: number;
  /** Monotonic ms. */
  pausedUntilMs: number;
}

/** One for each upstream. Bounded by `connect.max` and `limits.connections` as every other connection is. */
export class Prewarmer {
  private readonly clock: Clock;
  private readonly minIdle: number;
  private readonly load: Pick<UpstreamLoad, 'areConnectionsFull'>;
  private endpoints: readonly Endpoint[] = [];
  private readonly tried = new Map<Endpoint, Tried>();
  private dialing = 0;
  /** Where the next look begins: the last one had no dial left for it. */
  private next = 0;
  private timer: Timer | undefined = undefined;
  private isLooking = false;

  /** @param minIdle idle connections for each endpoint, ≥ 1. */
  constructor(clock: Clock, minIdle: number, load: Pick<UpstreamLoad, 'areConnectionsFull'>) {
    this.clock = clock;
    this.minIdle = minIdle;
    this.load = load;
  }

  /** Those that there are now. */
  watch(endpoints: Iterable<Endpoint>): void {
    const all = new Set(endpoints);
    for (const endpoint of this.tried.keys()) if (!all.has(endpoint)) this.tried.delete(endpoint);
    this.endpoints = [...all];
    this.look();
  }

  close(): void {
    this.timer?.cancel();
    this.endpoints = [];
    this.tried.clear();
  }

  private look(): void {
    const { endpoints } = this;
    if (endpoints.length === 0 || this.isLooking) return;
    this.isLooking = true;
    this.timer?.cancel();
    const nowMs = this.clock.now();
    const from = this.next;
    this.next = 0;
    for (let step = 0; step < endpoints.length; step++) {
      const index = (from + step) % endpoints.length;
      const endpoint = endpoints[index];
      if (endpoint === undefined || this.fill(endpoint, nowMs)) continue;
      this.next = index;
      break;
    }
    this.timer = this.clock.setTimer(LOOK_MS, () => this.look());
    this.isLooking = false;
  }

  /** False where no further connection may be made now. */
  private fill(endpoint: Endpoint, nowMs: number): boolean {
    const tried = this.tried.get(endpoint) ?? { dialing: 0, failures: 0, pausedUntilMs: 0 };
    if (endpoint.state !== 'available' || tried.pausedUntilMs > nowMs) return true;
    for (let missing = this.minIdle - endpoint.pool.idleSize - tried.dialing; missing > 0; missing--) {
      if (this.dialing >= MAX_DIALS || this.load.areConnectionsFull) return false;
      this.tried.set(endpoint, tried);
      this.dialing++;
      tried.dialing++;
      endpoint.pool.probe((error) => this.onDialled(tried, error !== undefined));
    }
    return true;
  }

  private onDialled(tried: Tried, hasFailed: boolean): void {
    const wasFull = this.dialing === MAX_DIALS;
    this.dialing--;
    tried.dialing--;
    if (!hasFailed) {
      tried.failures = 0;
    } else if (tried.dialing === 0) {
      const pauseMs = Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** tried.failures++);
      tried.pausedUntilMs = this.clock.now() + pauseMs * (0.8 + 0.4 * this.clock.random());
    }
    if (wasFull) this.look();
  }
}
