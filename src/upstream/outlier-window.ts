// What an endpoint's attempts of the last interval say of it beside what those of the others say: share of failures, and time.
import type { OutlierOptions } from './options.ts';
import { TimeToHead } from './time-to-head.ts';

/** Attempts of one endpoint since the interval began. One writer: its outlier record. */
export class OutlierWindow {
  /** Attempts that ended in an answer or a failure. */
  requests = 0;
  /** Those that failed, and answers from 500 on; an answer may have begun in this interval and end in the next. */
  failures = 0;
  private times: TimeToHead | undefined = undefined;

  answered(ms: number): void {
    this.times ??= new TimeToHead();
    this.times.add(ms);
  }

  /** Median time to an answer's head, in ms, in steps of a third to a half; undefined where nothing was answered. */
  get medianMs(): number | undefined {
    return this.times?.quantile(0.5);
  }

  get tally(): Tally {
    return { requests: this.requests, failures: Math.min(this.requests, this.failures) };
  }

  clear(): void {
    this.requests = 0;
    this.failures = 0;
    this.times?.clear();
  }
}

/** How many of how many failed. */
export interface Tally {
  readonly requests: number;
  readonly failures: number;
}

/**
 * Does an endpoint fail more often than all others together: by `margin` at least, and by more than chance would explain?
 * The second is the test of two proportions. Envoy compares with the mean and the deviation over all hosts, its own included,
 * which of three hosts can never find one; an endpoint against the rest works from two on.
 */
export function failsMore(own: Tally, others: Tally, options: OutlierOptions['successRate']): boolean {
  const { minRequests, margin, deviations } = options;
  if (own.requests < minRequests || others.requests < minRequests) return false;
  const difference = own.failures / own.requests - others.failures / others.requests;
  if (difference <= 0 || difference < margin) return false;
  const together = (own.failures + others.failures) / (own.requests + others.requests);
  const deviation = Math.sqrt(together * (1 - together) * (1 / own.requests + 1 / others.requests));
  return difference >= deviations * deviation;
}

/** Does an endpoint take `factor` times as long as is normal, and `minDifferenceMs` longer at least? */
export function isSlower(ownMs: number, normalMs: number, options: OutlierOptions['latency']): boolean {
  const { factor, minDifferenceMs } = options;
  return factor > 0 && ownMs >= normalMs * factor && ownMs - normalMs >= minDifferenceMs;
}
