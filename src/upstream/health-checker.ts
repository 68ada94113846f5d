// Asks one address again and again whether it works: our own app before it is registered, suspects before they are dropped.
import type { Clock, Timer } from '../util/clock.ts';
import { runProbe } from './health-probe.ts';
import type { HealthProbe } from './health-probe.ts';

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
}

/** `unknown` until the first probe has ended. */
export type HealthState = 'unknown' | 'passing' | 'failing';

const UNSETTLED_INTERVAL_MS = 200;

/**
 * Probes until `stop`. While the state is not settled (nothing passed yet, or a change is being counted) it asks every
 * 200 ms, or every `intervalMs` where that is shorter; ± 10 % of jitter, so that checks do not march in step.
 */
export class HealthChecker {
  private readonly clock: Clock;
  private readonly options: HealthCheckOptions;
  private readonly onChange: (state: HealthState, reason: string) => void;
  private timer: Timer | undefined = undefined;
  private stopped: AbortController | undefined = undefined;
  private streak = 0;
  private current: HealthState = 'unknown';
  private lastReason = 'not checked yet';

  constructor(clock: Clock, options: HealthCheckOptions, onChange: (state: HealthState, reason: string) => void) {
    this.clock = clock;
    this.options = options;
    this.onChange = onChange;
  }

  get state(): HealthState {
    return this.current;
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
    runProbe(this.clock, this.options, signal).then(
      (failure) => {
        if (signal.aborted) return;
        this.settle(failure);
        const { intervalMs } = this.options;
        const isSettled = this.streak === 0 && this.current !== 'unknown';
        const delayMs =
          isSettled && this.current === 'passing' ? intervalMs : Math.min(intervalMs, UNSETTLED_INTERVAL_MS);
        this.timer = this.clock.setTimer(delayMs * (0.9 + 0.2 * this.clock.random()), () => this.probe(signal));
      },
      () => undefined, // Aborted: `stop` was called.
    );
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
