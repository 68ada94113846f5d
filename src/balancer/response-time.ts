// HOT PATH, where `peak-ewma` is the policy. How long an endpoint takes to answer: quick to believe bad news, slow to forget them.
import type { Clock } from '../util/clock.ts';
import type { PeakEwmaOptions } from './options.ts';

/**
 * An exponentially weighted moving average of the time to an answer's head that jumps to every sample above it ("peak EWMA",
 * after Finagle's and linkerd's load balancers). It also decays while nothing is heard, so that a slow endpoint is tried
 * again. Starts at `initialMs`. One writer: its endpoint.
 */
export class ResponseTime {
  private readonly options: PeakEwmaOptions;
  private readonly clock: Clock;
  private valueMs: number;
  private updatedAtMs: number;

  constructor(options: PeakEwmaOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
    this.valueMs = options.initialMs;
    this.updatedAtMs = clock.now();
  }

  /** What it is at a moment (monotonic, as all of them, and not before the last sample), in ms, ≥ 0. */
  at(nowMs: number): number {
    return this.valueMs * this.decay(nowMs);
  }

  /** An answer began after `sampleMs`. */
  observe(sampleMs: number, nowMs: number): void {
    const left = this.decay(nowMs);
    const current = this.valueMs * left;
    this.valueMs = sampleMs > current ? sampleMs : current + sampleMs * (1 - left);
    this.updatedAtMs = nowMs;
  }

  /** A request was given up before it was answered: that says something only where it took longer than expected. */
  gaveUp(startedAtMs: number): void {
    const nowMs = this.clock.now();
    if (nowMs - startedAtMs > this.at(nowMs)) this.observe(nowMs - startedAtMs, nowMs);
  }

  /** It failed, or asked for less. */
  penalise(): void {
    this.observe(this.options.penaltyMs, this.clock.now());
  }

  private decay(nowMs: number): number {
    return Math.exp((this.updatedAtMs - nowMs) / this.options.decayMs);
  }
}
