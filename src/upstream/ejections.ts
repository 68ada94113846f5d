// Ejects endpoints that fail and lets them back in: the one writer of all outlier records of an upstream.
import type { Clock, Timer } from '../util/clock.ts';
import { Comeback } from './comeback.ts';
import type { Decisions } from './decisions.ts';
import type { Claim, Endpoint } from './endpoint.ts';
import { LivenessProbe } from './liveness-probe.ts';
import type { OutlierOptions } from './options.ts';
import { isOurOwn } from './our-own.ts';
import { isFailure, type Outcome } from './outcome.ts';
import { outliersOf } from './outlier-sweep.ts';
import { maxEjected, type EjectionCause } from './outlier.ts';
import { isEjectable } from './placement.ts';

/** How long one that hung is waited for, before it is asked on another connection. */
const HUNG_PROBE_MS = 10_000;
/** Between two such questions, and before a connection is tried again that could not be for a reason of our own. */
const PAUSE_MS = 1_000;

/** What ejections concern. */
export interface EjectionScope {
  /** All endpoints that the registry names. */
  readonly endpoints: Iterable<Endpoint>;
  /** Where failed attempts are noted. */
  readonly decisions: Decisions;
  /** It was ejected or is back. */
  onEjectionsChanged(endpoint: Endpoint): void;
  /** It should be ejected, whether or not there is room for that. */
  onFailing(endpoint: Endpoint, cause: EjectionCause): void;
}

/** How many may be ejected, and who is: of them, those that nobody listens at (`gone`) take nobody's room. */
interface Count {
  readonly ejectable: number;
  readonly ejected: Endpoint[];
  readonly gone: Endpoint[];
}

/**
 * At most `maxEjected` are left out at the same time, so that what befalls all does not end with all traffic on one. Where
 * connections are refused there is nothing to spare: all of those may be out. Never the last one.
 * An ejection ends when its time is over and a connection can be opened; where it cannot, that is tried again every
 * `baseEjectionMs`. One that hung has to answer: its kernel opens connections all the same. Where it answers requests alone, one
 * that reaches it all the same ends the ejection; after `maxEjectionMs` a connection is enough, so that one can.
 * Where an update leaves more ejected than `maxEjected`, those that would be back first are back at once.
 */
export class Ejections {
  private readonly clock: Clock;
  private readonly options: OutlierOptions;
  private readonly scope: EjectionScope;
  private readonly comeback: Comeback;
  private timer: Timer | undefined = undefined;
  private timerAtMs = Infinity;
  private sweepTimer: Timer | undefined = undefined;
  /** Those that are out now, of those that the registry names. */
  private readonly ejected = new Set<Endpoint>();
  /** Questions that are open. */
  private readonly probes = new Map<Endpoint, LivenessProbe>();
  private isClosed = false;

  constructor(clock: Clock, options: OutlierOptions, scope: EjectionScope) {
    this.clock = clock;
    this.options = options;
    this.scope = scope;
    this.comeback = new Comeback(clock, options, scope, (endpoint) => this.tryReadmit(endpoint));
  }

  /** An attempt has ended. */
  settled(endpoint: Endpoint, outcome: Outcome, { startedAtMs, status }: Claim, nowMs: number): void {
    const { outlier } = endpoint;
    this.sweepTimer ??= this.clock.setTimer(this.options.intervalMs, this.sweep);
    if (isFailure(outcome)) {
      this.scope.decisions.failed(endpoint.address, outcome, nowMs);
      this.comeback.failed();
    }
    if (outcome === 'success') {
      if (outlier.isEjectedFor('hung') && startedAtMs >= outlier.ejectedAtMs) this.readmit(endpoint);
      outlier.succeeded(nowMs);
      if (status >= 500) outlier.noteFailure();
    } else if (isFailure(outcome) && !outlier.isOutdated(startedAtMs)) {
      const cause = outlier.failed(outcome);
      if (cause !== undefined) this.eject(endpoint, cause);
    } else {
      return;
    }
    const why = outlier.standsOut();
    if (why !== undefined) this.eject(endpoint, 'success-rate', why);
  }

  /** Leaves it out, where there is room for that. @param reason with figures, where the cause alone does not say it. */
  eject(endpoint: Endpoint, cause: EjectionCause, reason?: string): void {
    if (this.isClosed || endpoint.isDraining || endpoint.outlier.isEjected) return;
    this.scope.onFailing(endpoint, cause);
    const nowMs = this.clock.now();
    const { ejectable, ejected, gone } = this.count(nowMs);
    if (ejected.length + gone.length >= ejectable - 1) return;
    const room = maxEjected(ejectable - gone.length, this.options.maxEjectedRatio);
    if (!endpoint.pool.isRefused && ejected.length >= room) return;
    endpoint.outlier.eject(cause, nowMs, reason);
    this.ejected.add(endpoint);
    this.schedule();
    this.scope.onEjectionsChanged(endpoint);
  }

  /** A check that began at `startedAtMs` has passed. That refutes an older ejection for want of answers. */
  passed(endpoint: Endpoint, startedAtMs: number): void {
    const { outlier } = endpoint;
    if (outlier.isUnanswered && startedAtMs >= outlier.ejectedAtMs) this.readmit(endpoint);
  }

  /** Whatever it was ejected for: it is well again. */
  readmit(endpoint: Endpoint): void {
    if (this.isClosed || !endpoint.outlier.isEjected) return;
    this.letIn(endpoint, this.clock.now());
    this.scope.onEjectionsChanged(endpoint);
    this.ejectOverdue();
  }

  /** After an update of the list. @returns those that are back; the caller builds its picker afterwards. */
  trim(): readonly Endpoint[] {
    if (this.ejected.size === 0) return [];
    const nowMs = this.clock.now();
    const { ejectable, ejected, gone } = this.count(nowMs);
    const allowed = maxEjected(ejectable - gone.length, this.options.maxEjectedRatio);
    const back = ejected.sort(soonestFirst).slice(0, Math.max(0, ejected.length - allowed));
    if (gone.length === ejectable) back.push(...gone.sort(soonestFirst).slice(0, 1));
    for (const endpoint of back) this.letIn(endpoint, nowMs);
    return back;
  }

  /** Another process has taken its place: nothing that is known of the old one holds. */
  replaced(endpoint: Endpoint): void {
    this.ejected.delete(endpoint);
    endpoint.outlier.reset(this.clock.now());
  }

  /** The registry names it no more. */
  left(endpoint: Endpoint): void {
    this.ejected.delete(endpoint);
  }

  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
    this.sweepTimer?.cancel();
    this.comeback.close();
    for (const probe of this.probes.values()) probe.cancel();
    this.probes.clear();
  }

  private letIn(endpoint: Endpoint, nowMs: number): void {
    this.ejected.delete(endpoint);
    this.probes.get(endpoint)?.cancel();
    this.probes.delete(endpoint);
    endpoint.outlier.readmit(nowMs);
  }

  private count(nowMs: number): Count {
    let ejectable = 0;
    const ejected: Endpoint[] = [];
    const gone: Endpoint[] = [];
    for (const endpoint of this.scope.endpoints) {
      if (!isEjectable(endpoint, nowMs)) continue;
      ejectable++;
      if (endpoint.outlier.isEjected) (endpoint.pool.isRefused ? gone : ejected).push(endpoint);
    }
    return { ejectable, ejected, gone };
  }

  private schedule(): void {
    let atMs = Infinity;
    for (const { outlier } of this.ejected) atMs = Math.min(atMs, outlier.ejectedUntilMs ?? Infinity);
    if (atMs >= this.timerAtMs || this.isClosed) return;
    this.timer?.cancel();
    this.timerAtMs = atMs;
    this.timer = this.clock.setTimer(Math.max(1, atMs - this.clock.now()), this.review);
  }

  private readonly review = (): void => {
    this.timerAtMs = Infinity;
    const nowMs = this.clock.now();
    for (const endpoint of this.ejected) {
      const { ejectedUntilMs } = endpoint.outlier;
      if (ejectedUntilMs !== undefined && ejectedUntilMs <= nowMs) this.tryReadmit(endpoint);
    }
    this.schedule();
  };

  private tryReadmit(endpoint: Endpoint): void {
    const { outlier, pool } = endpoint;
    const isHung = outlier.cause === 'hung';
    const hasToAnswer = isHung && this.clock.now() - outlier.ejectedAtMs < this.options.maxEjectionMs;
    outlier.ejectedUntilMs = Infinity; // Until the verdict.
    const settle = (isWell: boolean, pauseMs: number): void => {
      if (this.isClosed || outlier.ejectedUntilMs !== Infinity) return;
      if (isWell) this.readmit(endpoint);
      else outlier.extend(this.clock.now(), pauseMs);
      this.schedule();
    };
    if (hasToAnswer) this.askUntilItAnswers(endpoint, (isWell) => settle(isWell, PAUSE_MS));
    else {
      pool.probe((error) => {
        settle(error === undefined, isHung || isOurOwn(error) ? PAUSE_MS : this.options.baseEjectionMs);
      });
    }
  }

  /** One is back: for another one that nobody listens at, and that was the last until now, there is room. */
  private ejectOverdue(): void {
    const { consecutiveFailures } = this.options;
    if (consecutiveFailures === 0) return;
    for (const endpoint of this.scope.endpoints) {
      const isOverdue = endpoint.pool.isRefused && endpoint.outlier.consecutiveFailures >= consecutiveFailures;
      if (isOverdue) this.eject(endpoint, 'local-errors');
    }
  }

  /** One question stays open for long, so that an endpoint that goes on is back at once. */
  private askUntilItAnswers(endpoint: Endpoint, settle: (isWell: boolean) => void): void {
    this.probes.get(endpoint)?.cancel();
    const probe = new LivenessProbe(endpoint, this.clock, HUNG_PROBE_MS, (liveness) => {
      this.probes.delete(endpoint);
      settle(liveness === 'answers');
    });
    this.probes.set(endpoint, probe);
    probe.start();
  }

  /** Compares the endpoints with each other; begins again with the next attempt. */
  private readonly sweep = (): void => {
    this.sweepTimer = undefined;
    const nowMs = this.clock.now();
    const compared = [...this.scope.endpoints].filter(
      (endpoint) => !endpoint.outlier.isEjected && isEjectable(endpoint, nowMs),
    );
    for (const { endpoint, cause, reason } of outliersOf(compared, this.options)) this.eject(endpoint, cause, reason);
    for (const { outlier } of this.scope.endpoints) outlier.window.clear();
  };
}

/** Who would be back first. */
function soonestFirst(a: Endpoint, b: Endpoint): number {
  return (a.outlier.ejectedUntilMs ?? 0) - (b.outlier.ejectedUntilMs ?? 0);
}
