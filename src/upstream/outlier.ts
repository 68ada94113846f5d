// Passive health: when an endpoint that keeps failing is left out, for how long, and how many may be out at once.
import type { OutlierOptions } from './options.ts';

/**
 * How many of `size` endpoints may be ejected at the same time: the share, rounded up, but never all of them; of two or
 * more, one always may. 0 of 1, 1 of 2, and with a share of one half 2 of 3, 2 of 4, 3 of 5.
 */
export function maxEjected(size: number, ratio: number): number {
  if (size <= 1) return 0;
  // The small constant takes back what binary fractions add: 0.1 × 30 is a little more than 3.
  return Math.min(size - 1, Math.max(1, Math.ceil(size * ratio - 1e-9)));
}

/** Why an endpoint was ejected; all but `failures` at the first sign. `hung`: it answered nothing any more (hang-watch.ts). */
export type EjectionCause = 'failures' | 'hung' | 'misdirected' | 'app-down' | 'draining';

/** One that hung is back as soon as it answers, but not sooner than this part of another's ejection: a pause is soon over. */
const HUNG_SHARE = 0.1;

/**
 * What one endpoint's attempts say of it. Ejections double from `baseEjectionMs` to `maxEjectionMs`; each `baseEjectionMs`
 * that it is well afterwards takes one doubling back. After an ejection it is on probation: one failure ejects it again.
 * One writer: its endpoint's upstream.
 */
export class OutlierRecord {
  private readonly options: OutlierOptions;
  /** Failures since the last success. */
  consecutiveFailures = 0;
  /** Monotonic ms; undefined while it is not ejected. */
  ejectedUntilMs: number | undefined = undefined;
  ejectedAtMs = 0;
  cause: EjectionCause = 'failures';
  /** Ejections in all. */
  ejections = 0;
  private level = 0;
  private readmittedAtMs = -Infinity;
  private lastWellMs = -Infinity;

  constructor(options: OutlierOptions) {
    this.options = options;
  }

  get isEjected(): boolean {
    return this.ejectedUntilMs !== undefined;
  }

  isEjectedFor(cause: EjectionCause): boolean {
    return this.isEjected && this.cause === cause;
  }

  succeeded(nowMs: number): void {
    this.consecutiveFailures = 0;
    this.lastWellMs = nowMs;
  }

  /** True where the endpoint should be ejected now. */
  failed(): boolean {
    this.consecutiveFailures++;
    const { consecutiveFailures } = this.options;
    return !this.isEjected && consecutiveFailures > 0 && this.consecutiveFailures >= consecutiveFailures;
  }

  /** An attempt that began before the last re-admission says nothing new. */
  isOutdated(startedAtMs: number): boolean {
    return startedAtMs < this.readmittedAtMs;
  }

  eject(cause: EjectionCause, nowMs: number): void {
    const { baseEjectionMs, maxEjectionMs } = this.options;
    const wellMs = Math.max(0, this.lastWellMs - Math.max(this.readmittedAtMs, 0));
    this.level = Math.max(0, this.level - Math.floor(wellMs / Math.max(1, baseEjectionMs)));
    this.cause = cause;
    this.ejectedAtMs = nowMs;
    const lengthMs = Math.min(maxEjectionMs, baseEjectionMs * 2 ** Math.min(this.level, 30));
    this.ejectedUntilMs = nowMs + (cause === 'hung' ? lengthMs * HUNG_SHARE : lengthMs);
    this.level++;
    this.ejections++;
  }

  /** Ends the ejection. */
  readmit(nowMs: number): void {
    if (!this.isEjected) return;
    this.ejectedUntilMs = undefined;
    this.readmittedAtMs = nowMs;
    this.lastWellMs = -Infinity;
    this.consecutiveFailures = Math.max(0, this.options.consecutiveFailures - 1);
  }

  /** The instance was replaced by another process: it begins anew. */
  reset(nowMs: number): void {
    this.readmit(nowMs);
    this.consecutiveFailures = 0;
    this.level = 0;
    this.readmittedAtMs = nowMs;
  }
}
