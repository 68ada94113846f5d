// The metrics of one process: counted here by the middleware, rendered for a scrape by `exposition.ts`.
import type { ProxyError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { Exposition } from './exposition.ts';
import type { MetricsSources } from './metric-sources.ts';
import { FLAGS } from './outcome.ts';
import { SeriesTable } from './series-table.ts';
import { AttemptSeries, RequestSeries } from './series.ts';

/** A page of metrics. */
export interface RenderedMetrics {
  readonly contentType: string;
  readonly body: string;
}

/** Everything that is counted. Label values come from configuration and registry names; their number is bounded (`SeriesTable`). */
export class Metrics {
  readonly inbound = new SeriesTable((upstream) => new RequestSeries(upstream));
  readonly outbound = new SeriesTable((upstream) => new RequestSeries(upstream));
  readonly attempts = new SeriesTable((upstream) => new AttemptSeries(upstream));
  /** Refused messages by direction, then by the status that the sidecar answered with. */
  readonly refusals = { inbound: new Map<number, number>(), outbound: new Map<number, number>() };
  /** Where the values of others come from; undefined until the sidecar is put together. */
  sources: MetricsSources | undefined = undefined;
  readonly clock: Clock;
  private exposition: Promise<Exposition> | undefined = undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Counts a message that was refused before it became a request. */
  refused(direction: 'inbound' | 'outbound', error: ProxyError, sentBytes: number): void {
    const byStatus = this.refusals[direction];
    byStatus.set(error.status, (byStatus.get(error.status) ?? 0) + 1);
    const series = this[direction].of('unknown', this.clock.now());
    series.count(error.status, DPE);
    series.sentBytes += sentBytes;
  }

  /** The page that Prometheus reads. The first call loads prom-client (some 70 ms, 11 MB) and starts Node's process metrics. */
  async render(): Promise<RenderedMetrics> {
    return await (await this.load()).render();
  }

  /** Does what the first `render` would do, at a moment when nobody waits for the event loop. */
  async preload(): Promise<void> {
    await this.load();
  }

  /** Drops series that nobody used for ten minutes. */
  sweep(): void {
    const nowMs = this.clock.now();
    this.inbound.sweep(nowMs);
    this.outbound.sweep(nowMs);
    this.attempts.sweep(nowMs);
  }

  private load(): Promise<Exposition> {
    this.exposition ??= import('./exposition.ts').then(({ Exposition }) => new Exposition(this));
    return this.exposition;
  }
}

const DPE = FLAGS.indexOf('DPE');
