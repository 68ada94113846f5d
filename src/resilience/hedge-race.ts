// HOT PATH where it is configured. The attempts of one request that are under way at the same time: the first answer wins.
import { ProxyError } from '../errors.ts';
import { Body } from '../http/body.ts';
import type { Abortable, Handler, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { discard } from '../upstream/discard.ts';
import type { ForwardTarget } from '../upstream/forward-target.ts';
import type { HedgeCounts } from '../upstream/hedge-view.ts';
import type { HedgingOptions, RetryOptions } from '../upstream/options.ts';
import type { Clock } from '../util/clock.ts';
import { Deadline, type DeadlineList, type DeadlineLists, type DeadlineOwner } from '../util/deadline-list.ts';
import type { RetryBudget } from './retry-budget.ts';
import { mayRetryStatus } from './retry-policy.ts';
import { bodyOf, type WholeContent } from './whole-content.ts';

export interface HedgeContext {
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  readonly budget: RetryBudget;
  readonly retry: RetryOptions;
  /** Undefined: none. While it is not closed nothing is made beside its probes. */
  readonly breaker: { readonly isClosed: boolean } | undefined;
  /** Undefined: no adaptive limit. */
  readonly concurrency: { readonly hasRoom: boolean } | undefined;
  readonly target: Pick<ForwardTarget, 'outlook' | 'load' | 'hangs' | 'decisions'>;
  /** An attempt on an endpoint that the request has not been at. */
  readonly elsewhere: Handler;
}

/** Whose attempts they are: `hedge.ts`. */
export interface Hedging {
  readonly options: HedgingOptions;
  readonly context: HedgeContext;
  readonly counts: HedgeCounts;
  /** The first attempt. */
  readonly next: Handler;
  /** Undefined where one more attempt may be made now, and is paid for; otherwise why not. @param tried endpoints. */
  refusal(tried: number): string | undefined;
  /** One was due, and is not made. */
  refused(why: string): void;
}

/** To those that were too slow: held against nobody. */
function outrun(): ProxyError {
  return new ProxyError('PF_CLIENT_CLOSED', 'another attempt has answered first');
}

/**
 * The first attempt works on the request itself, each further one on a twin of it. What fails, or is answered with a status
 * that would be tried again, loses to what is still under way; where nothing is, it is the result. Losers are given up at once:
 * their connections are closed (HTTP/1.1 has no other way), and the time that they took so far is learned (`peak-ewma`, hang
 * protection), since leaving it out would make a slow endpoint look fast.
 */
export class HedgeRace implements Abortable, DeadlineOwner {
  private readonly hedge: Hedging;
  private readonly request: ProxyRequest;
  private readonly list: DeadlineList;
  private readonly content: WholeContent | undefined;
  private readonly deadline: Deadline;
  private readonly startedAtMs: number;
  /** Requests of the further attempts that have not ended. */
  private readonly twins = new Set<ProxyRequest>();
  private isFirstPending = true;
  private isOver = false;
  private extra = 0;
  private firstError: unknown = undefined;
  private resolve: (response: ProxyResponse) => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;

  /** @param list of the delay. @param content undefined: none. */
  constructor(hedge: Hedging, request: ProxyRequest, list: DeadlineList, content: WholeContent | undefined) {
    this.hedge = hedge;
    this.request = request;
    this.list = list;
    this.content = content;
    this.deadline = new Deadline(this);
    this.startedAtMs = hedge.context.clock.now();
  }

  run(): Promise<ProxyResponse> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.list.arm(this.deadline, this.startedAtMs);
      this.follow(this.hedge.next(this.request), undefined);
    });
  }

  /** One more attempt is due. */
  onDeadline(): void {
    const { hedge, request } = this;
    if (this.isOver || request.aborted !== undefined) return;
    if (request.attempts.length === request.firstAttempt) {
      // It waits for the first list: nothing has been sent that could be slow.
      this.list.arm(this.deadline, hedge.context.clock.now());
      return;
    }
    const refusal = hedge.refusal(request.attempts.length - request.firstAttempt);
    if (refusal !== undefined) {
      hedge.refused(refusal);
      return;
    }
    this.extra++;
    if (this.extra < hedge.options.maxExtra) this.list.arm(this.deadline, hedge.context.clock.now());
    const twin = request.twin(this.content === undefined ? Body.empty : bodyOf(this.content));
    this.twins.add(twin);
    this.follow(hedge.context.elsewhere(twin), twin);
  }

  /** The client went away, or the deadline passed, when only further attempts were under way. */
  abort(reason: ProxyError): void {
    for (const twin of this.twins) twin.abort(reason);
  }

  /** @param twin undefined: the first attempt. */
  private follow(attempt: Promise<ProxyResponse>, twin: ProxyRequest | undefined): void {
    attempt.then(
      (response) => this.onAnswer(response, twin),
      (error: unknown) => this.onFailure(error, twin),
    );
  }

  private onAnswer(response: ProxyResponse, twin: ProxyRequest | undefined): void {
    const { hedge, request } = this;
    if (this.isOver) {
      discard(response.body, hedge.context.clock);
      return;
    }
    const isAlone = twin === undefined ? this.twins.size === 0 : !this.isFirstPending && this.twins.size === 1;
    if (!isAlone && mayRetryStatus(hedge.context.retry, response.status, request)) {
      discard(response.body, hedge.context.clock);
      this.ended(twin);
      return;
    }
    this.finish();
    this.giveUpOthers();
    if (twin !== undefined) this.adopt(twin);
    this.note(twin);
    this.resolve(response);
  }

  private onFailure(error: unknown, twin: ProxyRequest | undefined): void {
    if (this.isOver) return;
    if (twin === undefined) this.firstError = error;
    this.ended(twin);
    if (this.request.aborted !== undefined) this.abort(this.request.aborted);
    if (this.isFirstPending || this.twins.size > 0) return;
    this.finish();
    this.note(undefined);
    this.reject(this.firstError ?? error);
  }

  /** One attempt is out of the race; others are under way, unless it was the last. */
  private ended(twin: ProxyRequest | undefined): void {
    if (twin !== undefined) {
      this.twins.delete(twin);
      return;
    }
    this.isFirstPending = false;
    // Where nobody runs beside it, the retries decide what comes next.
    this.deadline.disarm();
    this.request.workedOnBy(this);
  }

  private finish(): void {
    this.isOver = true;
    this.deadline.disarm();
  }

  private giveUpOthers(): void {
    const { hedge, request, startedAtMs } = this;
    const { attempts, firstAttempt } = request;
    for (let index = firstAttempt; index < attempts.length; index++) {
      const attempt = attempts[index];
      if (attempt === undefined || attempt.result !== undefined) continue;
      // What is learned of first attempts must not forget the slow ones: this one took at least so long.
      if (index === firstAttempt) hedge.context.target.hangs?.answered(hedge.context.clock.now() - startedAtMs);
      attempt.abort?.(outrun());
      attempt.result = undefined;
    }
  }

  /** The answer is that of a further attempt: its times, and its end, are those of the request. */
  private adopt(winner: ProxyRequest): void {
    const { request } = this;
    request.pickedAtMs = winner.pickedAtMs;
    request.connectedAtMs = winner.connectedAtMs;
    request.answeredAtMs = winner.answeredAtMs;
    request.workedOnBy(winner);
  }

  private note(winner: ProxyRequest | undefined): void {
    if (this.extra === 0) return;
    const { counts, context } = this.hedge;
    if (winner !== undefined) counts.won++;
    counts.lost += this.extra - (winner === undefined ? 0 : 1);
    const why = `${this.extra + 1} attempts, an end after ${Math.round(context.clock.now() - this.startedAtMs)} ms`;
    context.target.decisions?.hedged(winner === undefined ? 'lost' : 'won', why, context.clock.now());
  }
}
