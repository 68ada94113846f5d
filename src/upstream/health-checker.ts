// Asks one address again and again whether it works: our own app before it is registered, suspects before they are dropped.
import type { Clock, Timer } from '../util/clock.ts';
import { NoVerdict, runProbe } from './health-probe.ts';
import type { HealthProbe, ProbeTarget, Verdict } from './health-probe.ts';

export interface HealthCheckOptions {
  readonly host: string;
  readonly port: number;
  readonly probe: HealthProbe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Passes in a row that make a failing address healthy; the very first pass counts at once. */
  readonly rise: number;
  /** Failures in a row that make a healthy address fail. */
  readonly fall: number;
  /** Between two probes of an address that fails for good; by default as while a change is counted. */
  readonly failingIntervalMs?: number;
}

/** `unknown` until the first probe has ended. */
export type HealthState = 'unknown' | 'passing' | 'failing';

const UNSETTLED_INTERVAL_MS = 200;

/** One probe, as `runProbe`. */
export type Probe = (clock: Clock, target: ProbeTarget, signal: AbortSignal) => Promise<Verdict>;

/**
 * Probes until `stop`. While the state is not settled (nothing passed yet, or a change is being counted) it asks every
 * 200 ms, or every `intervalMs` where that is shorter; ± 10 % of jitter, so that checks do not march in step. A probe without a verdict
 * changes nothing, and the next one comes as soon.
 */
export class HealthChecker {
  private readonly clock: Clock;
  private readonly options: HealthCheckOptions;
  private readonly onChange: (state: HealthState, reason: string) => void;
  private readonly ask: Probe;
  private readonly onPassed: ((startedAtMs: number) => void) | undefined;
  private timer: Timer | undefined = undefined;
  private stopped: AbortController | undefined = undefined;
  private streak = 0;
  private current: HealthState = 'unknown';
  private lastReason = 'not checked yet';

  /** @param onPassed told of each probe that leaves the state at `passing`, with the monotonic ms at which it was due. */
  constructor(
    clock: Clock,
    options: HealthCheckOptions,
    onChange: (state: HealthState, reason: string) => void,
    ask: Probe = runProbe,
    onPassed?: (startedAtMs: number) => void,
  ) {
    this.clock = clock;
    this.options = options;
    this.onChange = onChange;
    this.ask = ask;
    this.onPassed = onPassed;
  }

  get state(): HealthState {
    return this.current;
  }

  /** Probes in a row that contradict the state. */
  get contradicted(): number {
    return this.streak;
  }

  /** What the last probe found, for people. */
  get reason(): string {
    return this.lastReason;
  }

  start(): void {
    this.stopped = new AbortController();
    this.probe(this.stopped.signal);
  }

  stop(): void {
    this.timer?.cancel();
    this.stopped?.abort();
    this.stopped = undefined;
  }

  private probe(signal: AbortSignal): void {
    const startedAtMs = this.clock.now();
    this.ask(this.clock, this.options, signal).then(
      (verdict) => {
        if (signal.aborted) return;
        if (!(verdict instanceof NoVerdict)) this.settle(verdict);
        else if (this.current === 'unknown') this.lastReason = verdict.reason;
        if (verdict === undefined && this.current === 'passing') this.onPassed?.(startedAtMs);
        const delayMs = this.delayMs(verdict) * (0.9 + 0.2 * this.clock.random());
        this.timer = this.clock.setTimer(delayMs, () => this.probe(signal));
      },
      () => undefined, // Aborted: `stop` was called.
    );
  }

  private delayMs(verdict: Verdict): number {
    const { intervalMs, failingIntervalMs = UNSETTLED_INTERVAL_MS } = this.options;
    const isSettled = this.streak === 0 && this.current !== 'unknown' && !(verdict instanceof NoVerdict);
    if (!isSettled) return Math.min(intervalMs, UNSETTLED_INTERVAL_MS);
    return this.current === 'passing' ? intervalMs : Math.min(intervalMs, failingIntervalMs);
  }

  private settle(failure: string | undefined): void {
    this.lastReason = failure ?? 'the last check passed';
    const passed = failure === undefined;
    if (passed === (this.current === 'passing') && this.current !== 'unknown') {
      this.streak = 0;
      return;
    }
    this.streak++;
    const needed = this.current === 'unknown' ? 1 : passed ? this.options.rise : this.options.fall;
    if (this.streak < needed) return;
    this.streak = 0;
    this.current = passed ? 'passing' : 'failing';
    this.onChange(this.current, this.lastReason);
  }
}
