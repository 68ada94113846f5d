// HOT PATH. The breaker of one upstream: refuses at once, for a while, what the upstream as a whole cannot answer.
import { ProxyError } from '../errors.ts';
import type { BreakerState } from '../telemetry/metric-sources.ts';
import type { AttemptObserver } from '../upstream/attempt-observer.ts';
import type { BreakerDescription, BreakerView, TrafficTotals } from '../upstream/breaker-view.ts';
import type { BreakerOptions } from '../upstream/options.ts';
import type { Outcome } from '../upstream/outcome.ts';
import type { Clock } from '../util/clock.ts';
import { BREAKER_TABLE, rowOfAttempt, type BreakerRow } from './breaker-table.ts';
import { ErrorWindow } from './error-window.ts';
import { TrafficHistory } from './traffic-drop.ts';

/** An open breaker refuses for this share of the time that it has not been closed: long outages are probed seldom. */
const SHARE_OF_OUTAGE = 0.1;
/** Added to that, at most: many sidecars do not probe at the same moment. */
const JITTER = 0.25;
/** A drop of traffic keeps it open for so long. */
const DROP_OPEN_MS = 60_000;
/** A probe that takes longer lets the next one pass: a slow upload, or a long poll, must not keep an upstream from its callers. */
const PROBE_MS = 1_000;

/**
 * What each outcome means stands in `breaker-table.ts`. One writer of its state: itself. Attempts that began before it closed
 * last say nothing of the time since. Changes by the clock alone (open → half-open) happen when the next request asks.
 */
export class Breaker implements AttemptObserver, BreakerView {
  private readonly name: string;
  private readonly options: BreakerOptions;
  private readonly clock: Clock;
  private readonly onChange: (description: BreakerDescription) => void;
  private readonly window: ErrorWindow;
  private traffic: TrafficHistory | undefined = undefined;
  private state: BreakerState = 'closed';
  private why = 'nothing happened yet';
  /** Failures in a row. */
  private run = 0;
  private sinceMs: number;
  /** Left `closed`. */
  private brokeAtMs = 0;
  private untilMs = 0;
  private closedAtMs = -Infinity;
  /** The probe on its way; undefined: the next request is one. */
  private probeAtMs: number | undefined = undefined;
  private wins = 0;

  /** @param name of the upstream, for messages. */
  constructor(
    name: string,
    options: BreakerOptions,
    clock: Clock,
    onChange: (description: BreakerDescription) => void = () => undefined,
  ) {
    this.name = name;
    this.options = options;
    this.clock = clock;
    this.onChange = onChange;
    this.window = new ErrorWindow(options.windowMs);
    this.sinceMs = clock.now();
  }

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** True where the next request would be refused. Changes nothing. */
  wouldRefuse(nowMs: number): boolean {
    switch (this.state) {
      case 'closed':
        return false;
      case 'open':
        return nowMs < this.untilMs;
      case 'half-open':
        return this.isProbing(nowMs);
    }
  }

  /**
   * For a request that meets a breaker that is not closed: undefined where it may pass as the probe, which has to be told of by
   * `probed`; otherwise why it may not (PF_BREAKER_OPEN, with `retryAfterMs`).
   */
  admitProbe(): ProxyError | undefined {
    const nowMs = this.clock.now();
    if (this.wouldRefuse(nowMs)) {
      const message = `upstream ${this.name}: its breaker is ${this.state}, ${this.why}`;
      return new ProxyError('PF_BREAKER_OPEN', message, { retryAfterMs: Math.max(0, this.untilMs - nowMs) });
    }
    if (this.state === 'open') this.change('half-open', this.why, nowMs);
    if (this.state === 'half-open') this.probeAtMs = nowMs;
    return undefined;
  }

  /** What came of a probe: its head of an answer, or its failure. */
  probed(row: BreakerRow): void {
    this.probeAtMs = undefined;
    if (this.state !== 'half-open') return;
    switch (BREAKER_TABLE[row].probe) {
      case 'no verdict':
        return;
      case 'bad':
        this.open(`a probe failed: ${row}`, undefined);
        return;
      case 'good':
        this.wins++;
        if (this.wins >= this.options.probes) this.close();
    }
  }

  onAttemptEnd(
    outcome: Outcome,
    status: number,
    failure: ProxyError | undefined,
    startedAtMs: number,
    nowMs: number,
  ): void {
    if (startedAtMs < this.closedAtMs || this.state !== 'closed') return;
    if (outcome === 'success' && status < 400) {
      this.run = 0;
      this.window.count(false, nowMs);
    } else {
      this.record(rowOfAttempt(outcome, status, failure), nowMs);
    }
  }

  /** Counts one outcome, of whatever it is (a fan-out reports one for all of its calls). While not closed it counts nothing. */
  record(row: BreakerRow, nowMs: number = this.clock.now()): void {
    if (this.state !== 'closed') return;
    const { feedsRun, ratio } = BREAKER_TABLE[row];
    if (ratio === 'nothing') return;
    const { window } = this;
    window.count(ratio === 'failure', nowMs);
    if (ratio === 'request') this.run = 0;
    if (feedsRun) this.run++;
    const { consecutiveFailures, errorRatio, minRequests, windowMs } = this.options;
    if (feedsRun && consecutiveFailures > 0 && this.run >= consecutiveFailures) {
      this.open(`${this.run} failures in a row, the last: ${row}`, undefined);
    } else if (
      ratio === 'failure' &&
      window.requests >= minRequests &&
      window.failures >= errorRatio * window.requests
    ) {
      this.open(`${window.failures} of ${window.requests} requests failed within ${windowMs / 1_000} s`, undefined);
    }
  }

  /** Opens for a minute where the rule of traffic drop says so. */
  onTraffic(totals: TrafficTotals): void {
    if (!this.options.trafficDrop) return;
    this.traffic ??= new TrafficHistory();
    if (this.state !== 'closed') this.traffic.reset();
    const why = this.traffic.step(totals, this.clock.now());
    if (why !== undefined) this.open(why, DROP_OPEN_MS);
  }

  describe(nowMs: number): BreakerDescription {
    const isDue = this.state === 'open' && nowMs >= this.untilMs;
    return {
      state: isDue ? 'half-open' : this.state,
      sinceMs: Math.round(nowMs - (isDue ? this.untilMs : this.sinceMs)),
      ...(this.state === 'open' && !isDue ? { untilMs: Math.round(this.untilMs - nowMs) } : {}),
      why: this.why,
    };
  }

  private isProbing(nowMs: number): boolean {
    return this.probeAtMs !== undefined && nowMs - this.probeAtMs < PROBE_MS;
  }

  private open(why: string, forMs: number | undefined): void {
    const nowMs = this.clock.now();
    if (this.state === 'closed') this.brokeAtMs = nowMs;
    const { openMs, maxOpenMs } = this.options;
    const shareMs = Math.min((nowMs - this.brokeAtMs) * SHARE_OF_OUTAGE, maxOpenMs);
    this.untilMs = nowMs + (forMs ?? Math.max(openMs, shareMs) * (1 + JITTER * this.clock.random()));
    this.change('open', why, nowMs);
  }

  private close(): void {
    const nowMs = this.clock.now();
    this.closedAtMs = nowMs;
    this.run = 0;
    this.window.reset();
    const { wins } = this;
    this.change('closed', wins === 1 ? 'a probe succeeded' : `${wins} probes in a row succeeded`, nowMs);
  }

  private change(state: BreakerState, why: string, nowMs: number): void {
    this.state = state;
    this.why = why;
    this.sinceMs = nowMs;
    this.probeAtMs = undefined;
    this.wins = 0;
    this.onChange(this.describe(nowMs));
  }
}
