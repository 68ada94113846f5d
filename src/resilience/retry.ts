// HOT PATH. The one retry loop: tries, asks the policy and the budget, and tries elsewhere, within the request's deadline.
import { ProxyError } from '../errors.ts';
import { readCallFields, retryAfterMs } from '../http/call-fields.ts';
import type { Handler, Layer, Mover, ProxyRequest, ProxyResponse } from '../http/message.ts';
import type { Decisions, RetryRefusal } from '../upstream/decisions.ts';
import { discard } from '../upstream/discard.ts';
import type { ForwardTarget } from '../upstream/forward-target.ts';
import type { RetryOptions } from '../upstream/options.ts';
import type { Clock } from '../util/clock.ts';
import { DeadlineLists, type DeadlineList } from '../util/deadline-list.ts';
import { RequestDeadline } from './deadline.ts';
import { MAX_REPLAY_BYTES, ReplayBody } from './replay-body.ts';
import type { RetryBudget } from './retry-budget.ts';
import { mayBeExecutedAgain, mayRetryError, mayRetryStatus } from './retry-policy.ts';

/** Longest wait before the second retry, in ms; doubles with each further one. The first never waits: it goes elsewhere. */
const BACKOFF_MS = 25;

/**
 * Where all endpoints have kept failing for so long, in ms, nothing is tried again: it would go from bad to bad. Sooner where a
 * retry has to wait; later where it does not, since what fails in one moment may be our own (in a stalled loop all dials run
 * out of time).
 */
const FAILING_MS = { waiting: 25, atOnce: 100 };

export interface RetryContext {
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  readonly budget: RetryBudget;
  /** Of the whole request, to the answer's head, in ms; 0 = none. */
  readonly requestMs: number;
  /** While it refuses, nothing is tried again: what the last attempt met is the better answer. */
  readonly breaker?: { wouldRefuse(nowMs: number): boolean } | undefined;
  readonly outlook: ForwardTarget['outlook'];
  /** Likewise, while as many retries as there may be are under way. */
  readonly load: Pick<ForwardTarget['load'], 'admitsRetry'>;
  /** Told why a request that has failed is not tried again. */
  readonly decisions?: Pick<Decisions, 'notRetried'> | undefined;
}

/**
 * Never tries again once an answer was handed on, once the client has gone, or once more of the body was read than is
 * held; nor while the breaker refuses, all endpoints keep failing, or `limits.retries` are under way. A retry goes elsewhere at
 * once, further ones after a while, unless nothing was sent and somebody is left who was not asked; `Retry-After` is waited for
 * where there is nowhere else, and time enough. Rejects with the last attempt's error; an answer that would have been worth a
 * retry is handed on where none is left.
 */
export function retry(options: RetryOptions, context: RetryContext): Layer {
  return (next) => {
    const loop = new RetryLoop(options, context, next);
    return (request) => loop.run(request);
  };
}

class RetryLoop implements Mover {
  private readonly options: RetryOptions;
  private readonly context: RetryContext;
  private readonly deadlines: DeadlineList | undefined;
  private readonly next: Handler;

  constructor(options: RetryOptions, context: RetryContext, next: Handler) {
    this.options = options;
    this.context = context;
    this.deadlines = context.requestMs > 0 ? context.deadlines.of(context.requestMs) : undefined;
    this.next = next;
  }

  async run(request: ProxyRequest): Promise<ProxyResponse> {
    const { options, context } = this;
    context.budget.deposit(request.receivedAtMs);
    request.mover = this;
    const deadline = this.arm(request);
    const replay =
      request.body.isEmpty || request.isUpgrade || options.attempts === 1 ? undefined : new ReplayBody(request.body);
    try {
      for (let tries = 1; ; tries++) {
        if (replay !== undefined) request.body = replay.open();
        const isLast = tries >= options.attempts;
        let waitMs = 0;
        try {
          const response = await this.next(request);
          if (response.status < 400 || !options.on.statuses.includes(response.status)) return response;
          if (isLast || !mayRetryStatus(options, response.status, request)) {
            this.note(request, isLast ? 'attempts' : 'policy');
            return response;
          }
          const askedMs = this.isAnotherLeft(request) ? 0 : (retryAfterMs(response.headers) ?? 0);
          waitMs = Math.max(askedMs, this.backoffMs(tries - 2));
          if (!this.mayTryAgain(request, replay, askedMs, waitMs)) return response;
          discard(response.body, context.clock);
        } catch (error) {
          if (!(error instanceof ProxyError)) throw error;
          if (isLast || !mayRetryError(options, error, request)) {
            // Of what no endpoint had a part in, others tell.
            if (error.requestSent !== undefined) this.note(request, isLast ? 'attempts' : 'policy');
            throw error;
          }
          const isUnheard = error.requestSent === false && this.isAnotherLeft(request);
          waitMs = isUnheard ? 0 : this.backoffMs(tries - 2);
          if (!this.mayTryAgain(request, replay, 0, waitMs)) throw error;
        }
        if (waitMs > 0) await this.wait(request, waitMs);
        if (request.aborted !== undefined) throw request.aborted;
      }
    } finally {
      deadline?.disarm();
      replay?.commit();
    }
  }

  /** The deadline of configuration, or the caller's where that is shorter. */
  private arm(request: ProxyRequest): RequestDeadline | undefined {
    const { clock, requestMs, deadlines } = this.context;
    const said = readCallFields(request.headers);
    request.callerAttempt = said.attempt;
    let list = this.deadlines;
    request.timeoutMs = requestMs;
    if (said.timeoutMs !== undefined && (requestMs === 0 || said.timeoutMs < requestMs)) {
      request.timeoutMs = DeadlineLists.stepOf(said.timeoutMs);
      list = deadlines.of(request.timeoutMs);
    }
    return list === undefined ? undefined : new RequestDeadline(request, clock, list, request.timeoutMs);
  }

  /** Once for each request: one that stops whoever works on it must not wander from one to the next. */
  pay(request: ProxyRequest, requestSent: boolean): boolean {
    const { options } = this;
    const { on, attempts } = options;
    if (
      request.move !== 'none' ||
      request.attempts.length - request.firstAttempt >= attempts ||
      request.aborted !== undefined
    )
      return false;
    const isAllowed = requestSent ? on.attemptTimeout && mayBeExecutedAgain(options, request) : on.connect;
    if (!isAllowed || request.body.received > MAX_REPLAY_BYTES) return false;
    if (this.refusal(FAILING_MS.atOnce) !== undefined) return false;
    request.move = 'paid';
    return true;
  }

  /** Is there an endpoint that this request has not tried? */
  private isAnotherLeft({ attempts, firstAttempt }: ProxyRequest): boolean {
    return this.context.outlook.hasOtherThan(attempts.length - firstAttempt);
  }

  private mayTryAgain(request: ProxyRequest, replay: ReplayBody | undefined, askedMs: number, waitMs: number): boolean {
    let refusal: RetryRefusal | undefined;
    if (request.aborted !== undefined) return false;
    if (replay?.canReplay === false) refusal = 'content';
    else if (askedMs > 0 && !hasTime(request, this.context.clock.now() + askedMs)) refusal = 'deadline';
    else if (request.move === 'paid') request.move = 'made';
    else refusal = this.refusal(waitMs > 0 ? FAILING_MS.waiting : FAILING_MS.atOnce);
    if (refusal !== undefined) this.note(request, refusal);
    return refusal === undefined;
  }

  /** The budget is asked last: what it gives is spent, also while the retry waits. Undefined: there may be a retry. */
  private refusal(failingMs: number): RetryRefusal | undefined {
    const { budget, breaker, clock, outlook, load } = this.context;
    const nowMs = clock.now();
    if (breaker?.wouldRefuse(nowMs) === true) return 'breaker';
    if (outlook.failingForMs > failingMs) return 'all-failing';
    if (!load.admitsRetry()) return 'limit';
    return budget.withdraw(nowMs) ? undefined : 'budget';
  }

  /** What its client has given up is nobody's failure. */
  private note(request: ProxyRequest, refusal: RetryRefusal): void {
    if (request.aborted === undefined) this.context.decisions?.notRetried(refusal, this.context.clock.now());
  }

  /** Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015); 0 for the first retry. */
  private backoffMs(exponent: number): number {
    return exponent < 0 ? 0 : this.context.clock.random() * BACKOFF_MS * 2 ** exponent;
  }

  /** Ends early when the request does. */
  private wait(request: ProxyRequest, delayMs: number): Promise<void> {
    const { clock } = this.context;
    return new Promise((resolve) => {
      const timer = clock.setTimer(delayMs, () => {
        request.workedOnBy(undefined);
        resolve();
      });
      request.workedOnBy({
        abort: () => {
          timer.cancel();
          resolve();
        },
      });
    });
  }
}

/** Could an answer still come in time where nothing is sent before `atMs`? */
function hasTime(request: ProxyRequest, atMs: number): boolean {
  const sinceMs = request.answerableSinceMs(0);
  return request.timeoutMs === 0 || sinceMs === undefined || sinceMs + request.timeoutMs > atMs;
}
