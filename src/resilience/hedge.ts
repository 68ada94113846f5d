// HOT PATH where it is configured. A second attempt beside a first one that takes long: when it is due, and whether it may be made.
import type { Handler, ProxyRequest, ProxyResponse } from '../http/message.ts';
import type { HedgeCounts, HedgeDescription, HedgeView } from '../upstream/hedge-view.ts';
import type { HedgingOptions } from '../upstream/options.ts';
import type { DeadlineList } from '../util/deadline-list.ts';
import { HedgeRace, type HedgeContext, type Hedging } from './hedge-race.ts';
import { mayBeExecutedAgain } from './retry-policy.ts';
import { bodyOf, wholeOf } from './whole-content.ts';

/** What the upstream takes is asked for again after so many requests. */
const LEARN_EVERY = 64;

/**
 * Between the retries and the breaker, for the first try of a request that may be executed twice (an idempotent method, by the
 * rule of retries) and whose content, if any, is whole: an attempt beside it after `delay`, as in gRPC's hedging (gRFC A6) and
 * Finagle's BackupRequestFilter. Each one is paid from the retry budget. One for each upstream.
 */
export class Hedge implements Hedging, HedgeView {
  readonly counts: HedgeCounts = { won: 0, lost: 0, refused: 0 };
  readonly options: HedgingOptions;
  readonly context: HedgeContext;
  readonly next: Handler;
  private list: DeadlineList | undefined;
  private delayMs: number | undefined;
  private untilLearning = 0;
  private lastRefusal: string | undefined = undefined;

  /** @param next one attempt, breaker included. */
  constructor(options: HedgingOptions, context: HedgeContext, next: Handler) {
    const { delay } = options;
    this.options = options;
    this.context = context;
    this.next = next;
    this.delayMs = delay.kind === 'fixed' ? delay.ms : undefined;
    this.list = this.delayMs === undefined ? undefined : context.deadlines.of(this.delayMs);
  }

  readonly handle: Handler = (request): Promise<ProxyResponse> => {
    if (this.options.delay.kind === 'quantile' && --this.untilLearning < 0) this.learn(this.options.delay.q);
    const { list } = this;
    if (list === undefined || !this.mayBeHedged(request)) return this.next(request);
    if (request.body.isEmpty) return new HedgeRace(this, request, list, undefined).run();
    const content = wholeOf(request.body);
    if (content === undefined) return this.next(request);
    request.body = bodyOf(content);
    return new HedgeRace(this, request, list, content).run();
  };

  refusal(tried: number): string | undefined {
    const { breaker, budget, clock, concurrency, target } = this.context;
    const { outlook, load } = target;
    if (breaker?.isClosed === false) return 'the breaker is not closed';
    if (outlook.failingForMs > 0) return 'all endpoints keep failing';
    if (!outlook.hasOtherThan(tried)) return 'there is no other endpoint';
    if (concurrency?.hasRoom === false) return 'as many requests as the upstream can take wait for it';
    if (!load.admitsRetry()) return 'the limit on retries is reached';
    return budget.withdraw(clock.now()) ? undefined : 'the retry budget is spent';
  }

  refused(why: string): void {
    this.counts.refused++;
    this.lastRefusal = why;
    this.context.target.decisions?.hedged('refused', why, this.context.clock.now());
  }

  describe(): HedgeDescription {
    const { delay } = this.options;
    const { delayMs, lastRefusal } = this;
    return {
      delay: delay.kind === 'fixed' ? `${delay.ms}ms` : `p${Math.round(delay.q * 10_000) / 100}`,
      ...(delayMs === undefined ? {} : { delayMs }),
      ...this.counts,
      ...(lastRefusal === undefined ? {} : { lastRefusal }),
    };
  }

  private mayBeHedged(request: ProxyRequest): boolean {
    const isFirst = request.attempts.length === request.firstAttempt;
    return isFirst && !request.isUpgrade && mayBeExecutedAgain(this.context.retry, request);
  }

  private learn(q: number): void {
    const { target, deadlines } = this.context;
    this.untilLearning = LEARN_EVERY;
    this.delayMs = target.hangs?.quantileMs(q);
    this.list = this.delayMs === undefined ? undefined : deadlines.of(this.delayMs);
  }
}
