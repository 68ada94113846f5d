// HOT PATH (`picked`). What an upstream decided last, for people: rings of fixed size, written on the slow paths alone.
import type { Outcome } from './outcome.ts';

/** One decision; `atMs` is monotonic. */
export type Decision =
  /** An endpoint is picked otherwise than before: ejected, back, a suspect, … */
  | {
      readonly kind: 'endpoint';
      readonly atMs: number;
      readonly endpoint: string;
      readonly state: string;
      readonly why: string;
    }
  /** The upstream as a whole: panic, breaker. */
  | { readonly kind: 'upstream'; readonly atMs: number; readonly what: string }
  /** An attempt failed. */
  | { readonly kind: 'attempt'; readonly atMs: number; readonly endpoint: string; readonly outcome: Outcome }
  /** The fallback was taken: once a second at most, with how many requests took it since the last note. */
  | {
      readonly kind: 'fallback';
      readonly atMs: number;
      readonly to: string;
      readonly cause: string;
      readonly why: string;
      readonly requests: number;
    }
  /** An attempt beside a slow one: once a second at most for each outcome, likewise. */
  | {
      readonly kind: 'hedge';
      readonly atMs: number;
      readonly outcome: 'won' | 'lost' | 'refused';
      readonly why: string;
      readonly requests: number;
    }
  /** A request that had failed was not tried again: likewise, once a second at most for each reason. */
  | { readonly kind: 'no-retry'; readonly atMs: number; readonly why: RetryRefusal; readonly requests: number }
  /** The pick of an ordinary request, one a second at most, or of another try. */
  | { readonly kind: 'pick'; readonly atMs: number; readonly endpoint: string; readonly attempt: number };

/**
 * Why a failed request is not tried again. `attempts`: it had all of them. `policy`: that failure of that method is none that
 * configuration has tried again. `content`: more of its content was sent than is held. `deadline`: `Retry-After` is longer than
 * its time. `breaker`: it would refuse. `all-failing`: all endpoints keep failing. `limit`: `limits.retries`. `budget`: `retry.budget`.
 */
export type RetryRefusal =
  'attempts' | 'policy' | 'content' | 'deadline' | 'breaker' | 'all-failing' | 'limit' | 'budget';

/** The last values that were added. */
class Ring<T> {
  private readonly values: T[] = [];
  private readonly size: number;
  private next = 0;

  constructor(size: number) {
    this.size = size;
  }

  add(value: T): void {
    this.values[this.next] = value;
    this.next = (this.next + 1) % this.size;
  }

  /** In no order. */
  all(): readonly T[] {
    return this.values;
  }
}

/** Of each ring. Changes have one of their own, so that a storm of retries does not wash them away. */
const KEPT = 128;
const SAMPLE_EVERY_MS = 1_000;

/** Of what happens often, one in a second is noted, with how many there were. */
class Sample {
  private sum = 0;
  private atMs = -Infinity;

  /** One more. @returns how many since the last note, where a note is due; otherwise 0. */
  count(nowMs: number): number {
    const { sum } = this;
    this.sum++;
    if (nowMs - this.atMs < SAMPLE_EVERY_MS) return 0;
    this.atMs = nowMs;
    this.sum = 0;
    return sum + 1;
  }
}

/** One for each upstream. */
export class Decisions {
  private readonly changes = new Ring<Decision>(KEPT);
  private readonly requests = new Ring<Decision>(KEPT);
  private sampledAtMs = -Infinity;
  private readonly fallbacks = new Sample();
  private readonly refusals = new Map<RetryRefusal, Sample>();
  private readonly hedges = { won: new Sample(), lost: new Sample(), refused: new Sample() };

  /** An endpoint's place has changed. @param endpoint `host:port` @param nowMs monotonic */
  placed(endpoint: string, state: string, why: string, nowMs: number): void {
    this.changes.add({ kind: 'endpoint', atMs: nowMs, endpoint, state, why });
  }

  /** Something holds for the whole upstream from now on. */
  changed(what: string, nowMs: number): void {
    this.changes.add({ kind: 'upstream', atMs: nowMs, what });
  }

  /** An attempt has ended in a failure. */
  failed(endpoint: string, outcome: Outcome, nowMs: number): void {
    this.requests.add({ kind: 'attempt', atMs: nowMs, endpoint, outcome });
  }

  /** The upstream's fallback took over. @param to `answer 200`, `upstream standby` */
  fellBack(to: string, cause: string, why: string, nowMs: number): void {
    const requests = this.fallbacks.count(nowMs);
    if (requests > 0) this.requests.add({ kind: 'fallback', atMs: nowMs, to, cause, why, requests });
  }

  /** Another attempt beside a slow one has won, has lost, or was not made. */
  hedged(outcome: 'won' | 'lost' | 'refused', why: string, nowMs: number): void {
    const requests = this.hedges[outcome].count(nowMs);
    if (requests > 0) this.requests.add({ kind: 'hedge', atMs: nowMs, outcome, why, requests });
  }

  /** A failed request is given its failure. */
  notRetried(why: RetryRefusal, nowMs: number): void {
    let sample = this.refusals.get(why);
    if (sample === undefined) this.refusals.set(why, (sample = new Sample()));
    const requests = sample.count(nowMs);
    if (requests > 0) this.requests.add({ kind: 'no-retry', atMs: nowMs, why, requests });
  }

  /**
   * An endpoint was picked: noted for every further try, and for an ordinary request once a second.
   * @param attempt 1 for the first of its request.
   */
  picked(endpoint: string, attempt: number, nowMs: number): void {
    if (attempt === 1) {
      if (nowMs - this.sampledAtMs < SAMPLE_EVERY_MS) return;
      this.sampledAtMs = nowMs;
    }
    this.requests.add({ kind: 'pick', atMs: nowMs, endpoint, attempt });
  }

  /** The last `count`, the newest first. */
  last(count: number): Decision[] {
    return [...this.changes.all(), ...this.requests.all()].sort((a, b) => b.atMs - a.atMs).slice(0, count);
  }
}
