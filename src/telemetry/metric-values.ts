// What is counted in this process, and where the values of others come from: written by the middleware, read by a scrape.
import type { ProxyError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { MetricsSources } from './metric-sources.ts';
import { flagOf, type AttemptFacts } from './outcome.ts';
import { SeriesTable } from './series-table.ts';
import { AttemptSeries, RequestSeries } from './series.ts';

const NO_ATTEMPTS: AttemptFacts = [];

/** Label values come from configuration and registry names; their number is bounded (`SeriesTable`). */
export class MetricValues {
  readonly inbound = new SeriesTable((upstream) => new RequestSeries(upstream));
  readonly outbound = new SeriesTable((upstream) => new RequestSeries(upstream));
  readonly attempts = new SeriesTable((upstream) => new AttemptSeries(upstream));
  /** Refused messages by direction, then by the status that the sidecar answered with. */
  readonly refusals = { inbound: new Map<number, number>(), outbound: new Map<number, number>() };
  /** Where the values of others come from; undefined until the sidecar is put together. */
  sources: MetricsSources | undefined = undefined;
  readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Counts a message that was refused before it became a request. */
  refused(direction: 'inbound' | 'outbound', error: ProxyError, sentBytes: number): void {
    const byStatus = this.refusals[direction];
    byStatus.set(error.status, (byStatus.get(error.status) ?? 0) + 1);
    const series = this[direction].of('unknown', this.clock.now());
    series.count(error.status, flagOf({ response: undefined, error }, NO_ATTEMPTS));
    series.sentBytes += sentBytes;
  }

  /** Drops series that nobody used for ten minutes. */
  sweep(): void {
    const nowMs = this.clock.now();
    this.inbound.sweep(nowMs);
    this.outbound.sweep(nowMs);
    this.attempts.sweep(nowMs);
  }
}
