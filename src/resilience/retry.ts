// HOT PATH. The one retry loop: tries, asks the policy and the budget, and tries elsewhere, within the request's deadline.
import { ProxyError } from '../errors.ts';
import type { Handler, Layer, Mover, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { discard } from '../upstream/discard.ts';
import { isIdempotent } from '../upstream/idempotent.ts';
import type { RetryOptions } from '../upstream/options.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineList, DeadlineLists } from '../util/deadline-list.ts';
import { RequestDeadline } from './deadline.ts';
import { MAX_REPLAY_BYTES, ReplayBody } from './replay-body.ts';
import type { RetryBudget } from './retry-budget.ts';
import { mayRetryError, mayRetryStatus } from './retry-policy.ts';

/** Longest wait before the second retry, in ms; doubles with each further one. The first goes at once: it goes elsewhere. */
const BACKOFF_MS = 25;

export interface RetryContext {
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  readonly budget: RetryBudget;
  /** Of the whole request, to the answer's head, in ms; 0 = none. */
  readonly requestMs: number;
  /** While it refuses, nothing is tried again: what the last attempt met is the better answer. */
  readonly breaker?: { wouldRefuse(nowMs: number): boolean } | undefined;
}

/**
 * Never tries again once an answer was handed on, once the client has gone, or once more of the body was read than is
 * held. Rejects with the last attempt's error; an answer that would have been worth a retry is handed on where none is left.
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
    const { deadlines, options, context } = this;
    context.budget.deposit(request.receivedAtMs);
    request.mover = this;
    const deadline =
      deadlines === undefined ? undefined : new RequestDeadline(request, context.clock, deadlines, context.requestMs);
    const replay =
      request.body.isEmpty || request.isUpgrade || options.attempts === 1 ? undefined : new ReplayBody(request.body);
    try {
      for (let tries = 1; ; tries++) {
        if (replay !== undefined) request.body = replay.open();
        const isLast = tries >= options.attempts;
        try {
          const response = await this.next(request);
          if (isLast || !mayRetryStatus(options.on, response.status, request.method)) return response;
          if (!this.mayTryAgain(request, replay)) return response;
          discard(response.body);
        } catch (error) {
          if (isLast || !(error instanceof ProxyError) || !mayRetryError(options.on, error, request.method))
            throw error;
          if (!this.mayTryAgain(request, replay)) throw error;
        }
        if (tries > 1) await this.backOff(request, tries - 2);
        if (request.aborted !== undefined) throw request.aborted;
      }
    } finally {
      deadline?.disarm();
      replay?.commit();
    }
  }

  /** Once for each request: one that stops whoever works on it must not wander from one to the next. */
  pay(request: ProxyRequest, requestSent: boolean): boolean {
    const { on, attempts } = this.options;
    if (request.move !== 'none' || request.attempts.length >= attempts || request.aborted !== undefined) return false;
    const isAllowed = requestSent ? on.attemptTimeout && isIdempotent(request.method) : on.connect;
    if (!isAllowed || request.body.received > MAX_REPLAY_BYTES) return false;
    if (!this.withdraw()) return false;
    request.move = 'paid';
    return true;
  }

  /** The budget is asked last: what it gives is spent. */
  private mayTryAgain(request: ProxyRequest, replay: ReplayBody | undefined): boolean {
    if (request.aborted !== undefined || replay?.canReplay === false) return false;
    if (request.move !== 'paid') return this.withdraw();
    request.move = 'made';
    return true;
  }

  private withdraw(): boolean {
    const { budget, breaker, clock } = this.context;
    const nowMs = clock.now();
    return breaker?.wouldRefuse(nowMs) !== true && budget.withdraw(nowMs);
  }

  /** Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015); ends early when the request does. */
  private backOff(request: ProxyRequest, exponent: number): Promise<void> {
    const { clock } = this.context;
    return new Promise((resolve) => {
      const timer = clock.setTimer(clock.random() * BACKOFF_MS * 2 ** exponent, () => {
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
