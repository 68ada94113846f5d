// Lets endpoints that are new, or back from a failure, warm up: their weight grows over a while.
import type { Endpoint } from './endpoint.ts';

/** What an endpoint begins with, of its weight. */
const FLOOR = 0.1;
/** Steps in which a weight grows; the picker is built anew at each. */
const STEPS = 30;
const MIN_STEP_MS = 100;
/** Endpoints remembered after they left, at most: one that comes back as it was is warm. */
const MAX_REMEMBERED = 4_096;

/**
 * As Envoy's slow start with an aggression of 1: after t of the window an endpoint has max(10 %, t ÷ window) of its weight.
 * Those of the first list are taken to be warm, since others have called them all along; so is one that the registry lost
 * and lists again, unless its `owner` tells that it is another process.
 */
export class SlowStart {
  private readonly windowMs: number;
  private readonly warmingSinceMs = new Map<Endpoint, number>();
  private readonly failing = new Set<Endpoint>();
  /** Owner by identity, of those that left. */
  private readonly gone = new Map<string, string>();

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** The registry names it, and did not before. */
  joined(endpoint: Endpoint, nowMs: number): void {
    const identity = identityOf(endpoint);
    const owner = this.gone.get(identity);
    this.gone.delete(identity);
    if (owner !== ownerOf(endpoint)) this.begin(endpoint, nowMs);
  }

  /** It is cold: another process has taken its place. */
  begin(endpoint: Endpoint, nowMs: number): void {
    this.warmingSinceMs.set(endpoint, nowMs);
  }

  left(endpoint: Endpoint): void {
    // One that was not warm yet will not be when it comes back.
    if (!this.warmingSinceMs.delete(endpoint)) this.gone.set(identityOf(endpoint), ownerOf(endpoint));
    this.failing.delete(endpoint);
    if (this.gone.size <= MAX_REMEMBERED) return;
    for (const oldest of this.gone.keys()) {
      this.gone.delete(oldest);
      return;
    }
  }

  /** Before a picker is built: who was failing and is not any more begins; who is warm is done. @param touched as in places.ts. */
  review(touched: Iterable<Endpoint>, nowMs: number): void {
    for (const endpoint of touched) {
      if (endpoint.tier === 'failing') this.failing.add(endpoint);
      else if (this.failing.delete(endpoint)) this.begin(endpoint, nowMs);
    }
    for (const [endpoint, sinceMs] of this.warmingSinceMs) {
      if (nowMs - sinceMs >= this.windowMs) this.warmingSinceMs.delete(endpoint);
    }
  }

  /** 0.1..1 */
  factorOf(endpoint: Endpoint, nowMs: number): number {
    const sinceMs = this.warmingSinceMs.get(endpoint);
    return sinceMs === undefined ? 1 : Math.min(1, Math.max(FLOOR, (nowMs - sinceMs) / this.windowMs));
  }

  /** After how many ms the picker should be built anew; undefined while nobody warms up. */
  get stepMs(): number | undefined {
    return this.warmingSinceMs.size === 0 ? undefined : Math.max(MIN_STEP_MS, this.windowMs / STEPS);
  }
}

/** A record that moved to another address is another endpoint. */
function identityOf({ instance, address, id }: Endpoint): string {
  return `${instance.protocol} ${address} ${id}`;
}

function ownerOf({ instance }: Endpoint): string {
  return instance.owner ?? '';
}
