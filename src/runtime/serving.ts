// HOT PATH. What a listener's connections are served with: the stack, what makes an answer of an error, what runs at the end.
import { ProxyError } from '../errors.ts';
import type { PathLooseness, WireLimits } from '../http/limits.ts';
import type { Direction, Handler, ProxyRequest, ProxyResponse } from '../http/message.ts';
import type { MemoryPressure, Overload } from './overload.ts';
import type { DownstreamEnd, DownstreamTimeouts, ServingContext } from '../http/serving.ts';
import type { CompletionHooks } from '../middleware/metrics.ts';
import { rescue } from '../middleware/rescue.ts';
import type { Log } from '../telemetry/logger.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';
import type { RequestTotals } from './panic.ts';

export interface ServingParts {
  readonly direction: Direction;
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  readonly limits: WireLimits;
  readonly paths: PathLooseness;
  readonly timeouts: DownstreamTimeouts;
  readonly handle: Handler;
  /** Run in order, once for each request. */
  readonly hooks: readonly CompletionHooks[];
  readonly log: Log;
  readonly overload: Overload;
  /** Requests under way, at most. */
  readonly maxRequests: number;
  /** Answered whatever the load: how else would anybody know that we live? */
  isVital(request: ProxyRequest): boolean;
  endsConnections(): boolean;
}

/** Under way at the same time even when memory is short: refusing everything would be an outage, too. */
const ALWAYS_ADMITTED = 16;

/** Bugs are logged one by one up to this many a minute, then counted only: a request that fails a million times is one bug. */
const LOGGED_BUGS_PER_MINUTE = 30;

/** Why a request is turned away. */
function overflow(max: number, pressure: MemoryPressure): ProxyError {
  const reason = pressure === 'hard' ? 'memory is short' : `${max} requests are under way`;
  return new ProxyError('PF_OVERFLOW', reason);
}

/** One for each listener. */
export class Serving implements ServingContext {
  readonly direction: Direction;
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  readonly limits: WireLimits;
  readonly paths: PathLooseness;
  readonly timeouts: DownstreamTimeouts;
  /** Requests under way. */
  active = 0;
  private readonly parts: ServingParts;
  private readonly overload: Overload;
  /** Requests that have ended, and bugs that requests met: what `PanicGuard` asks. */
  completed = 0;
  bugs = 0;
  private loggedBugs = 0;
  private loggedSinceMs = 0;

  constructor(parts: ServingParts) {
    this.direction = parts.direction;
    this.clock = parts.clock;
    this.deadlines = parts.deadlines;
    this.limits = parts.limits;
    this.paths = parts.paths;
    this.timeouts = parts.timeouts;
    this.overload = parts.overload;
    this.parts = parts;
  }

  get endsConnections(): boolean {
    return this.parts.endsConnections() || this.overload.pressure !== 'none';
  }

  handle(request: ProxyRequest): Promise<ProxyResponse> {
    const { overload, parts } = this;
    if (!overload.isWatching) overload.watch(this.isBusy);
    const max = overload.pressure === 'hard' ? Math.min(ALWAYS_ADMITTED, parts.maxRequests) : parts.maxRequests;
    if (this.active >= max && !parts.isVital(request)) return Promise.reject(overflow(max, overload.pressure));
    request.isAdmitted = true;
    this.active++;
    return parts.handle(request);
  }

  rescue(error: unknown, request: ProxyRequest | undefined): ProxyResponse {
    return rescue(error, request, this.onBug);
  }

  complete(request: ProxyRequest, end: DownstreamEnd): void {
    this.completed++;
    if (request.isAdmitted) this.active--;
    try {
      for (const hook of this.parts.hooks) hook.complete(request, end);
    } catch (error) {
      this.onBug(error);
    }
  }

  refused(error: ProxyError, peer: string, sentBytes: number): void {
    try {
      for (const hook of this.parts.hooks) hook.refused(this.direction, error, peer, sentBytes);
    } catch (bug) {
      this.onBug(bug);
    }
  }

  private readonly isBusy = (): boolean => this.active > 0;

  private readonly onBug = (error: unknown): void => {
    this.bugs++;
    const nowMs = this.clock.now();
    if (nowMs - this.loggedSinceMs > 60_000) {
      this.loggedSinceMs = nowMs;
      this.loggedBugs = 0;
    }
    if (++this.loggedBugs > LOGGED_BUGS_PER_MINUTE) return;
    const bug = new ProxyError('PF_INTERNAL', 'a request met a bug', { cause: error });
    this.parts.log.error('a request met a bug', { error: bug, direction: this.direction });
  };
}

/** Of all listeners together. */
export function totalsOf(servings: readonly Serving[]): RequestTotals {
  let [completed, bugs] = [0, 0];
  for (const serving of servings) {
    completed += serving.completed;
    bugs += serving.bugs;
  }
  return { completed, bugs };
}
