// HOT PATH where configured. How many requests may wait for an upstream's answer at a time: learned from how long answers take.
import type { ConcurrencyDescription, ConcurrencyView } from '../upstream/concurrency-view.ts';
import type { ConcurrencyOptions } from '../upstream/options.ts';
import type { Clock } from '../util/clock.ts';
import { Cohort } from './cohort.ts';

/** What `admit` says to a request that has to be refused. */
export const REFUSED = -1;

/** The limit changes by no more than this, down or up, at a time (before its headroom is added). */
const STEEPEST = { down: 0.5, up: 2 };
/** Added to what an answer may take, in ms: two event loops lie between us and the other end. */
const SLACK_MS = 1;
/** Requests of a window, at least. */
const MIN_WINDOW = 10;
/** So many windows in a row with less than half of the last measurement's limit, or the least: measures at once. */
const LOW_WINDOWS = 5;
/** After a measurement that was this much shorter than the one before, or the first one, the next comes soon. */
const SHORTER = 0.9;
const SOON_MS = 1_000;
/** Before anything was measured, who gave up sooner was impatient, in ms. */
const PATIENT_MS = 100;

/**
 * A gradient on latency. Each window, limit ← gradient × limit + headroom, where the gradient is the time that an answer takes
 * with little under way (plus `tolerance`) over what it took in this window, from 0.5 to 2, and the headroom is the square root
 * of the product, as in Envoy's gradient controller (adaptive_concurrency). Unlike there, the time with little under way is
 * measured at half of the limit, not at the least one: near its equilibrium half of it queues nowhere, and what is refused
 * meanwhile is little. A first limit that is far too high comes down by repeated measurements. As in Netflix' Gradient2, a
 * limit of which less than half is used stays where it is.
 *
 * No timer runs: time is looked at when requests come and when they end. One writer: its layer.
 */
export class ConcurrencyLimit implements ConcurrencyView {
  /** Requests that wait for the head of an answer. */
  inFlight = 0;
  rejected = 0;
  private readonly options: ConcurrencyOptions;
  private readonly clock: Clock;
  private readonly maxLimit: number;
  private readonly cohort = new Cohort();
  /** With its fraction: what is rounded each time does not grow from 1. */
  private limit: number;
  /** What holds now. */
  private cap: number;
  /** `emptying`: a measurement begins once no more than `cap` is under way. */
  private phase: 'sampling' | 'emptying' | 'measuring' = 'measuring';
  /** Monotonic ms. */
  private windowSinceMs: number;
  private measureAtMs = Infinity;
  private peak = 0;
  private isFull = false;
  private lowWindows = 0;
  private measuredAt: number;
  private minRttMs: number | undefined = undefined;
  private sampledRttMs: number | undefined = undefined;

  constructor(options: ConcurrencyOptions, clock: Clock) {
    const { minLimit, initialLimit } = options;
    this.options = options;
    this.clock = clock;
    this.maxLimit = Math.max(minLimit, options.maxLimit);
    this.limit = this.bounded(initialLimit);
    this.cap = Math.floor(this.limit);
    this.measuredAt = this.limit;
    this.windowSinceMs = clock.now();
  }

  /** Would one more be admitted now? */
  get hasRoom(): boolean {
    return this.inFlight < this.cap;
  }

  /** `REFUSED`, or what `ended` has to be told; the request counts until then. `nowMs` is monotonic. */
  admit(nowMs: number): number {
    if (this.phase === 'sampling' && nowMs >= this.measureAtMs) this.beginMeasuring(nowMs);
    if (!this.hasRoom) {
      this.rejected++;
      this.isFull = true;
      return REFUSED;
    }
    this.inFlight++;
    if (this.inFlight > this.peak) this.peak = this.inFlight;
    const { cohort } = this;
    if (this.phase === 'emptying' || !cohort.isOpen) return 0;
    const member = cohort.join(nowMs);
    const isComplete =
      this.phase === 'measuring'
        ? cohort.size >= this.options.measure.requests
        : cohort.size >= MIN_WINDOW && nowMs - this.windowSinceMs >= this.options.windowMs;
    if (isComplete) cohort.close(nowMs);
    return member;
  }

  /** Its answer's head has come after `tookMs`. */
  answered(member: number, tookMs: number, nowMs: number): void {
    this.ended(member, tookMs, nowMs);
  }

  /** It was given up after `waitedMs`. Who gives up at once says nothing. */
  gaveUp(member: number, waitedMs: number, nowMs: number): void {
    this.ended(member, waitedMs > (this.minRttMs ?? PATIENT_MS) ? Infinity : undefined, nowMs);
  }

  /** It failed, or was refused by the upstream: that may be fast, and says nothing of how long answers take. */
  failed(member: number, nowMs: number): void {
    this.ended(member, undefined, nowMs);
  }

  describe(): ConcurrencyDescription {
    const { cap, inFlight, rejected, phase, minRttMs, sampledRttMs } = this;
    return {
      limit: cap,
      inFlight,
      rejected,
      isMeasuring: phase !== 'sampling',
      ...(minRttMs === undefined ? {} : { minRttMs }),
      ...(sampledRttMs === undefined ? {} : { sampledRttMs }),
    };
  }

  private ended(member: number, tookMs: number | undefined, nowMs: number): void {
    this.inFlight--;
    const { cohort } = this;
    cohort.end(member, tookMs);
    if (this.phase === 'emptying') {
      if (this.inFlight <= this.cap) this.begin('measuring', nowMs);
      return;
    }
    if (cohort.isOpen) return;
    const rttMs = cohort.quantile(this.options.percentile, nowMs);
    if (rttMs !== undefined) {
      if (this.phase === 'measuring') this.measured(rttMs, nowMs);
      else this.sampled(rttMs, nowMs);
    } else if (cohort.size === 0) {
      this.begin(this.phase, nowMs); // Nobody of it said anything.
    }
  }

  /** @param rttMs Infinity where most gave up. */
  private sampled(rttMs: number, nowMs: number): void {
    const { tolerance, minLimit } = this.options;
    if (rttMs !== Infinity) this.sampledRttMs = rttMs;
    if (this.minRttMs !== undefined && (this.isFull || this.peak * 2 >= this.limit)) {
      const allowedMs = this.minRttMs * (1 + tolerance) + SLACK_MS;
      const gradient = Math.max(STEEPEST.down, Math.min(STEEPEST.up, allowedMs / rttMs));
      const next = gradient * this.limit;
      this.limit = this.bounded(next + Math.sqrt(next));
      const isLow = this.limit <= Math.max(minLimit, this.measuredAt / 2);
      this.lowWindows = isLow ? this.lowWindows + 1 : 0;
      if (this.lowWindows >= LOW_WINDOWS) this.measureAtMs = nowMs;
    }
    this.cap = Math.floor(this.limit);
    this.begin('sampling', nowMs);
  }

  private beginMeasuring(nowMs: number): void {
    this.cap = Math.max(this.options.minLimit, Math.floor(this.limit / 2));
    this.begin(this.inFlight <= this.cap ? 'measuring' : 'emptying', nowMs);
  }

  /** @param rttMs Infinity where most gave up: that was no measurement, it is made anew with half as many under way. */
  private measured(rttMs: number, nowMs: number): void {
    if (rttMs === Infinity) {
      this.limit = this.bounded(this.limit / 2);
      this.beginMeasuring(nowMs);
      return;
    }
    const { measure } = this.options;
    const isSettled = this.minRttMs !== undefined && rttMs >= this.minRttMs * SHORTER;
    this.measureAtMs = nowMs + (isSettled ? measure.intervalMs * (1 + measure.jitter * this.clock.random()) : SOON_MS);
    this.minRttMs = rttMs;
    this.measuredAt = this.limit;
    this.lowWindows = 0;
    this.cap = Math.floor(this.limit);
    this.begin('sampling', nowMs);
  }

  /** What is counted from now on says what holds from now on. */
  private begin(phase: ConcurrencyLimit['phase'], nowMs: number): void {
    this.phase = phase;
    this.windowSinceMs = nowMs;
    this.peak = this.inFlight;
    this.isFull = false;
    this.cohort.clear();
  }

  private bounded(limit: number): number {
    return Math.max(this.options.minLimit, Math.min(this.maxLimit, limit));
  }
}
