// The last line: errors that escaped every layer. One is a bug and ends nothing; a system that does nothing else any more ends with 70.
import type { Log } from '../telemetry/logger.ts';
import type { Clock } from '../util/clock.ts';

/** Requests that ended so far, for telling a system that still works from one that does not. */
export interface RequestTotals {
  readonly completed: number;
  /** Of those, answered with 500 because of a bug. */
  readonly bugs: number;
}

export interface PanicParts {
  readonly clock: Clock;
  readonly log: Log;
  totals(): RequestTotals;
  /** The state cannot be trusted any more: the process has to end with this exit code. */
  end(exitCode: number): void;
}

/** sysexits' "internal software error"; 1–4 are taken by start-up. */
export const CRITICAL_EXIT = 70;
const WINDOW_MS = 10_000;
const MIN_ESCAPES = 3;
const FAILING_RATIO = 0.95;
/** Lines a window: a bug in a timer that fires a thousand times a second is still one bug. */
const MAX_LINES = 10;

/**
 * The panic threshold: at least three escapes within ten seconds, and of what ended in that time, escapes included, more
 * than 95 % failed by a bug. A sidecar that still serves goes on, whatever escaped.
 */
export class PanicGuard {
  /** Errors that escaped, since the start. */
  escapes = 0;
  private readonly parts: PanicParts;
  private recent: number[] = [];
  private before: { readonly atMs: number; readonly totals: RequestTotals };
  private lines = 0;

  constructor(parts: PanicParts) {
    this.parts = parts;
    this.before = { atMs: parts.clock.now(), totals: parts.totals() };
  }

  /** An exception or rejection that nobody caught. Never throws. */
  escaped(error: unknown): void {
    const { clock, log } = this.parts;
    const nowMs = clock.now();
    if (nowMs - this.before.atMs > WINDOW_MS) {
      this.before = { atMs: nowMs, totals: this.parts.totals() };
      this.lines = 0;
    }
    this.escapes++;
    this.recent = this.recent.filter((atMs) => nowMs - atMs <= WINDOW_MS);
    this.recent.push(nowMs);
    if (++this.lines <= MAX_LINES) log.error('an error escaped: a bug', { error });
    if (this.recent.length < MIN_ESCAPES) return;
    const totals = this.parts.totals();
    const completed = totals.completed - this.before.totals.completed;
    const failed = totals.bugs - this.before.totals.bugs + this.recent.length;
    if (failed <= FAILING_RATIO * (completed + this.recent.length)) return;
    log.fatal('nothing works any more: the process ends', {
      error,
      escapes: this.recent.length,
      exitCode: CRITICAL_EXIT,
    });
    this.parts.end(CRITICAL_EXIT);
  }
}
