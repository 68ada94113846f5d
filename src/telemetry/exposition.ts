// The page of metrics, made by prom-client: our own numbers read at the scrape, and Node's process metrics. Loaded at the first scrape.
import { collectDefaultMetrics, Counter, Registry, type Metric } from 'prom-client';
import { METRICS, type MetricFacts, type MetricName } from './metric-catalogue.ts';
import type { MetricValues } from './metric-values.ts';
import { SAMPLES, type Sample } from './samples.ts';

/** A page of metrics. */
export interface RenderedMetrics {
  readonly contentType: string;
  readonly body: string;
}

/** What prom-client's registry asks of a metric. */
interface MetricReading {
  readonly name: string;
  readonly help: string;
  readonly type: MetricFacts['type'];
  readonly values: readonly Sample[];
  readonly aggregator: 'sum';
}

/** Gauges of prom-client that are named like counters, which linters refuse; their sums are those of the gauges beside them. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Renders one process' metrics. Node's own are counted from the start of the process, not from the first scrape. */
export class Exposition {
  private readonly metrics: MetricValues;
  private readonly registry = new Registry();

  constructor(metrics: MetricValues) {
    this.metrics = metrics;
    for (const name of Object.keys(METRICS) as MetricName[]) {
      this.registry.registerMetric(new CollectedMetric(name, metrics) as unknown as Metric);
    }
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 20 });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    this.catchUp();
  }

  async render(): Promise<RenderedMetrics> {
    this.metrics.sweep();
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  /** prom-client counts CPU time from the moment at which it was loaded. */
  private catchUp(): void {
    const { user, system } = process.cpuUsage();
    this.add('process_cpu_user_seconds_total', user);
    this.add('process_cpu_system_seconds_total', system);
    this.add('process_cpu_seconds_total', user + system);
  }

  private add(name: string, microseconds: number): void {
    const counter: unknown = this.registry.getSingleMetric(name);
    if (counter instanceof Counter) counter.inc(microseconds / 1e6);
  }
}

/** One of our metrics as prom-client's registry sees it: no values of its own, read when asked. */
class CollectedMetric {
  readonly name: MetricName;
  private readonly metrics: MetricValues;

  constructor(name: MetricName, metrics: MetricValues) {
    this.name = name;
    this.metrics = metrics;
  }

  get(): Promise<MetricReading> {
    const { type, help } = METRICS[this.name];
    return Promise.resolve({ name: this.name, help, type, values: this.values(), aggregator: 'sum' });
  }

  private values(): readonly Sample[] {
    try {
      return [...SAMPLES[this.name](this.metrics)];
    } catch {
      return []; // A source that throws is a bug of its own; the page goes on without these lines.
    }
  }
}
