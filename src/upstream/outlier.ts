// Passive health: when an endpoint that keeps failing is left out, for how long, and how many may be out at once.
import { AttemptTally, FailureShare } from './failure-share.ts';
import type { OutlierOptions } from './options.ts';
import type { Outcome } from './outcome.ts';
import { OutlierWindow } from './outlier-window.ts';

/**
 * How many of `size` endpoints may be ejected at the same time: the share, rounded up, but never all of them; of two or
 * more, one always may. 0 of 1, 1 of 2, and with a share of one half 2 of 3, 2 of 4, 3 of 5.
 */
export function maxEjected(size: number, ratio: number): number {
  if (size <= 1) return 0;
  // The small constant takes back what binary fractions add: 0.1 × 30 is a little more than 3.
  return Math.min(size - 1, Math.max(1, Math.ceil(size * ratio - 1e-9)));
}

/**
 * Why an endpoint was ejected. In a row: `failures`, of them `gateway-errors` (502, 503, 504) or `local-errors` (no
 * connection, reset, no or no valid answer) alone. Beside the others: `success-rate`, `latency`. At the first sign: `hung`, it
 * answered nothing any more (hang-watch.ts), and what its own sidecar says.
 */
export type EjectionCause =
  | 'failures'
  | 'gateway-errors'
  | 'local-errors'
  | 'success-rate'
  | 'latency'
  | 'hung'
  | 'misdirected'
  | 'app-down'
  | 'draining';

/** One that hung is back as soon as it answers, but not sooner than this part of another's ejection: a pause is soon over. */
const HUNG_SHARE = 0.1;

/**
 * What one endpoint's attempts say of it. Ejections double from `baseEjectionMs` to `maxEjectionMs`; each `baseEjectionMs`
 * that it is well afterwards takes one doubling back. After an ejection it is on probation: one failure ejects it again.
 * One writer: its endpoint's upstream.
 */
export class OutlierRecord {
  readonly window = new OutlierWindow();
  /** Failures since the last success, all of them and by their kind. */
  consecutiveFailures = 0;
  consecutiveGatewayErrors = 0;
  consecutiveLocalErrors = 0;
  /** Monotonic ms; undefined while it is not ejected. */
  ejectedUntilMs: number | undefined = undefined;
  ejectedAtMs = 0;
  cause: EjectionCause = 'failures';
  /** It was ejected for want of answers alone: a check that passes refutes that. */
  isUnanswered = false;
  /** What it was ejected for, in words; completes "ejected, after …". */
  reason = '';
  /** Ejections in all. */
  ejections = 0;
  private readonly options: OutlierOptions;
  private readonly share: FailureShare;
  private isOnProbation = false;
  /** Monotonic ms until which it asked to be left alone (`Retry-After`). */
  private askedUntilMs = 0;
  private level = 0;
  private readmittedAtMs = -Infinity;
  private lastWellMs = -Infinity;

  /** @param attempts of the whole upstream. */
  constructor(options: OutlierOptions, attempts: AttemptTally = new AttemptTally()) {
    this.options = options;
    this.share = new FailureShare(options.successRate, attempts);
  }

  get isEjected(): boolean {
    return this.ejectedUntilMs !== undefined;
  }

  isEjectedFor(cause: EjectionCause): boolean {
    return this.isEjected && this.cause === cause;
  }

  /** An attempt that ended without a valid answer, or with one from 500 on; that it has ended is told apart. */
  noteFailure(): void {
    this.window.failures++;
    this.share.failed();
  }

  /** After `succeeded` and `failed`. @returns why its share of failures stands out by now, with figures; undefined: it does not. */
  standsOut(): string | undefined {
    return this.share.ended();
  }

  succeeded(nowMs: number): void {
    // There was no room for its ejection: it begins anew, as one that is let back in.
    if (!this.isEjected && isReached(this.options.consecutiveFailures, this.consecutiveFailures)) this.forget();
    this.window.requests++;
    this.consecutiveFailures = 0;
    this.consecutiveGatewayErrors = 0;
    this.consecutiveLocalErrors = 0;
    this.isOnProbation = false;
    this.lastWellMs = nowMs;
  }

  /** @returns why it should be ejected now; undefined: it should not. */
  failed(outcome: Outcome): EjectionCause | undefined {
    const { options } = this;
    this.window.requests++;
    this.consecutiveFailures++;
    this.noteFailure();
    if (outcome === 'gateway-error') this.consecutiveGatewayErrors++;
    else this.consecutiveLocalErrors++;
    if (this.isEjected) return undefined;
    if (this.isOnProbation) return PROBATION[this.cause] === 'kept' ? this.cause : 'failures';
    if (isReached(options.consecutiveLocalErrors, this.consecutiveLocalErrors)) return 'local-errors';
    if (isReached(options.consecutiveGatewayErrors, this.consecutiveGatewayErrors)) return 'gateway-errors';
    return isReached(options.consecutiveFailures, this.consecutiveFailures) ? 'failures' : undefined;
  }

  /** An attempt that began before the last re-admission says nothing new. */
  isOutdated(startedAtMs: number): boolean {
    return startedAtMs < this.readmittedAtMs;
  }

  /** It answered 429 or 503. That alone ejects nobody, or an overload would move on; an ejection is as long as was asked. */
  asked(retryAfterMs: number | undefined, nowMs: number): void {
    if (retryAfterMs !== undefined) this.askedUntilMs = nowMs + retryAfterMs;
  }

  /** @param reason with figures, for people; a cause that needs none has its own. */
  eject(cause: EjectionCause, nowMs: number, reason = this.reasonOf(cause)): void {
    const { baseEjectionMs, maxEjectionMs } = this.options;
    const wellMs = Math.max(0, this.lastWellMs - Math.max(this.readmittedAtMs, 0));
    this.level = Math.max(0, this.level - Math.floor(wellMs / Math.max(1, baseEjectionMs)));
    this.cause = cause;
    this.reason = reason;
    this.isUnanswered = UNANSWERED.has(cause) && this.consecutiveGatewayErrors === 0;
    this.ejectedAtMs = nowMs;
    const ownMs = Math.min(maxEjectionMs, baseEjectionMs * 2 ** Math.min(this.level, 30));
    const askedMs = Math.min(maxEjectionMs, this.askedUntilMs - nowMs);
    this.ejectedUntilMs = nowMs + Math.max(cause === 'hung' ? ownMs * HUNG_SHARE : ownMs, askedMs);
    this.level++;
    this.ejections++;
  }

  /** The ejection goes on, `forMs` from now. It is not a new one. */
  extend(nowMs: number, forMs: number): void {
    this.ejectedUntilMs = nowMs + forMs;
  }

  /** Ends the ejection. */
  readmit(nowMs: number): void {
    if (!this.isEjected) return;
    this.ejectedUntilMs = undefined;
    this.readmittedAtMs = nowMs;
    this.lastWellMs = -Infinity;
    this.forget();
    this.isOnProbation = PROBATION[this.cause] !== 'none';
    if (this.cause === 'success-rate') this.share.begin(true);
  }

  /** The instance was replaced by another process: it begins anew. */
  reset(nowMs: number): void {
    this.readmit(nowMs);
    this.forget();
    this.isOnProbation = false;
    this.level = 0;
    this.readmittedAtMs = nowMs;
  }

  private forget(): void {
    this.share.begin(false);
    this.consecutiveFailures = 0;
    this.consecutiveGatewayErrors = 0;
    this.consecutiveLocalErrors = 0;
    this.window.clear();
  }

  private reasonOf(cause: EjectionCause): string {
    switch (cause) {
      case 'failures':
        return `${this.consecutiveFailures} consecutive failures`;
      case 'gateway-errors':
        return `${this.consecutiveGatewayErrors} consecutive answers 502, 503 or 504`;
      case 'local-errors':
        return `${this.consecutiveLocalErrors} consecutive failures without a valid answer`;
      case 'success-rate':
        return 'more failures than the others';
      case 'latency':
        return 'slower answers than the others';
      case 'hung':
        return 'it answered nothing any more';
      case 'misdirected':
        return 'a misdirected record: another service answers there';
      case 'app-down':
        return 'its sidecar said that its app is down';
      case 'draining':
        return 'its sidecar said that it is stopping';
    }
  }
}

/** Causes that answers do not speak of, unless some of the failures were answers. */
const UNANSWERED: ReadonlySet<EjectionCause> = new Set(['failures', 'local-errors', 'hung']);

/** What one failure on probation is: again what the ejection was for, a failure like others, or nothing special. */
const PROBATION: Readonly<Record<EjectionCause, 'kept' | 'failure' | 'none'>> = {
  failures: 'kept',
  'gateway-errors': 'kept',
  'local-errors': 'kept',
  hung: 'kept',
  'success-rate': 'none',
  latency: 'none',
  misdirected: 'failure',
  'app-down': 'failure',
  draining: 'failure',
};

function isReached(threshold: number, count: number): boolean {
  return threshold > 0 && count >= threshold;
}
