// From an upstream to the handler of its requests: retry (with budget and request deadline) around forward (with attempt deadline).
import { compose, type Handler } from '../http/message.ts';
import type { App } from '../upstream/app.ts';
import { forward } from '../upstream/forward.ts';
import type { ForwardTarget } from '../upstream/forward-target.ts';
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
export function callUpstream(upstream: Upstream, context: CallContext): Call {
  return call(upstream, upstream.key.service, context);
}

/** How a host outside is called: it is told nothing that sidecars tell each other. */
export function callOutside(upstream: Upstream, context: CallContext): Call {
  return call(upstream, undefined, context);
}

/** How our own app is called. */
export function callApp(app: App, context: CallContext): Call {
  return call(app, undefined, context);
}

function call(target: ForwardTarget, to: string | undefined, { clock, deadlines }: CallContext): Call {
  const { retry: retries, timeout } = target.options;
  const budget = new RetryBudget(retries.budget);
  const layers = [retry(retries, { clock, deadlines, budget, requestMs: timeout.requestMs })];
  return { budget, handle: compose(layers, forward(target, to, clock, deadlines)) };
}
