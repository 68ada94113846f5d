// The metrics of one process: what was counted, and the page that Prometheus reads.
import type { Exposition, RenderedMetrics } from './exposition.ts';
import { MetricValues } from './metric-values.ts';

/** Everything that is counted, and its page. One for each process; set `sources` before the first scrape. */
export class Metrics extends MetricValues {
  private exposition: Promise<Exposition> | undefined = undefined;

  /** The page that Prometheus reads. The first call loads prom-client (some 70 ms, 11 MB) and starts Node's process metrics. */
  async render(): Promise<RenderedMetrics> {
    return await (await this.load()).render();
  }

  /** Does what the first `render` would do, at a moment when nobody waits for the event loop. */
  async preload(): Promise<void> {
    await this.load();
  }

  private load(): Promise<Exposition> {
    this.exposition ??= import('./exposition.ts').then(({ Exposition }) => new Exposition(this));
    return this.exposition;
  }
}
