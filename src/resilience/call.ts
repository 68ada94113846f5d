// From an upstream to the handler of its requests: fallback, affinity (each where configured) → retry (with budget and request
// deadline) → response buffer, hedging (each where configured) → breaker → adaptive concurrency (where configured) → forward
// (with attempt deadline).
import { compose, type Handler } from '../http/message.ts';
import type { App } from '../upstream/app.ts';
import type { BreakerDescription } from '../upstream/breaker-view.ts';
import { forward } from '../upstream/forward.ts';
import { forwardElsewhere } from '../upstream/forward-elsewhere.ts';
import type { ForwardTarget } from '../upstream/forward-target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';
import { affinity } from './affinity.ts';
import { Breaker } from './breaker.ts';
import { breakerLayer } from './breaker-layer.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { concurrencyLimitLayer } from './concurrency-limit-layer.ts';
import { Fallback } from './fallback.ts';
import { Hedge } from './hedge.ts';
import { BufferSpace, responseBuffer } from './response-buffer.ts';
import { retry } from './retry.ts';
import { RetryBudget } from './retry-budget.ts';

export interface CallContext {
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  /** Room for answers that are held; undefined: as much as there may be, for each upstream. */
  readonly space?: BufferSpace;
  /** Told of every change of every breaker. */
  readonly onBreaker?: (upstream: string, change: BreakerDescription) => void;
  /** Another upstream that is open, for fallbacks. */
  readonly callOf?: (upstream: string) => { readonly handle: Handler } | undefined;
}

/** A handler and what its metrics read. */
export interface Call {
  readonly handle: Handler;
  readonly budget: RetryBudget;
  readonly breaker: Breaker | undefined;
  readonly fallback?: Fallback | undefined;
  readonly concurrency: ConcurrencyLimit | undefined;
  readonly hedge?: Hedge | undefined;
}

/** How a service is called. One for each upstream; it lives as long as that. */
export function callUpstream(upstream: Upstream, context: CallContext): Call {
  const { options, decisions } = upstream;
  const called = call(upstream, upstream.name, upstream.key.service, context);
  const cookies = affinity(options, upstream.picking.stickiness);
  const sticky = cookies === undefined ? called : { ...called, handle: cookies(called.handle) };
  if (options.fallback === undefined) return sticky;
  const { clock, callOf = () => undefined } = context;
  const fallback = new Fallback(options.fallback, { clock, retry: options.retry, decisions, callOf }, sticky.handle);
  return { ...sticky, fallback, handle: fallback.handle };
}

/** How a host outside is called: it is told nothing that sidecars tell each other. */
export function callOutside(upstream: Upstream, context: CallContext): Call {
  return call(upstream, upstream.name, undefined, context);
}

/** How our own app is called. */
export function callApp(app: App, context: CallContext): Call {
  return call(app, 'the app', undefined, context);
}

function call(target: ForwardTarget, name: string, to: string | undefined, context: CallContext): Call {
  const { clock, deadlines, space, onBreaker } = context;
  const { options, outlook, load, decisions } = target;
  const { retry: retries, buffer, timeout, breaker: guard, hedging } = options;
  const budget = new RetryBudget(retries.budget);
  const breaker = guard.enabled ? new Breaker(name, guard, clock, (change) => onBreaker?.(name, change)) : undefined;
  const { adaptiveConcurrency: adaptive } = options;
  const concurrency = adaptive === undefined ? undefined : new ConcurrencyLimit(adaptive, clock);
  const limited = concurrency === undefined ? [] : [concurrencyLimitLayer(concurrency, name, clock)];
  const guarded = [...(breaker === undefined ? [] : [breakerLayer(breaker)]), ...limited];
  const attempt = compose(guarded, forward(target, to, clock, deadlines, breaker));
  const elsewhere = compose(limited, forwardElsewhere(target, to, clock, deadlines));
  const hedges = { clock, deadlines, budget, retry: retries, breaker, concurrency, target, elsewhere };
  const hedge = hedging && new Hedge(hedging, hedges, attempt);
  const layers = [
    retry(retries, { clock, deadlines, budget, requestMs: timeout.requestMs, breaker, outlook, load, decisions }),
    ...(buffer?.enabled === true
      ? [responseBuffer(buffer, { clock, deadlines, space: space ?? new BufferSpace(), retry: retries })]
      : []),
  ];
  return { budget, breaker, concurrency, hedge, handle: compose(layers, hedge?.handle ?? attempt) };
}
