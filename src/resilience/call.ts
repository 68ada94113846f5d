// From an upstream to the handler of its requests: retry (with budget and request deadline) around forward (with attempt deadline).
import { compose, type Handler } from '../http/message.ts';
import type { App } from '../upstream/app.ts';
import { forward } from '../upstream/forward.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';
import { retry } from './retry.ts';
import { RetryBudget } from './retry-budget.ts';

export interface CallContext {
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
}

/** A handler and what its metrics read. */
export interface Call {
  readonly handle: Handler;
  readonly budget: RetryBudget;
}

/** How a service is called. One for each upstream; it lives as long as that. */
export function callUpstream(upstream: Upstream, { clock, deadlines }: CallContext): Call {
  const { retry: retries, timeout } = upstream.options;
  const budget = new RetryBudget(retries.budget);
  const layers = [retry(retries, { clock, deadlines, budget, requestMs: timeout.requestMs })];
  return { budget, handle: compose(layers, forward(upstream, upstream.key.service, clock, deadlines)) };
}

/** How our own app is called. */
export function callApp(app: App, { clock, deadlines }: CallContext): Call {
  const { retry: retries, timeout } = app.options;
  const budget = new RetryBudget(retries.budget);
  const layers = [retry(retries, { clock, deadlines, budget, requestMs: timeout.requestMs })];
  return { budget, handle: compose(layers, forward(app, undefined, clock, deadlines)) };
}
