// HOT PATH. What may be sent once more, to the same instance, when the connection that it was sent on turns out to have been closed.
import type { ProxyError } from '../errors.ts';
import type { ProxyRequest } from '../http/message.ts';
import { isIdempotent } from './idempotent.ts';
import type { ForwardTarget } from './forward-target.ts';

/** Nothing of it has to be held for that, and executing it twice does no harm. */
export function isRepeatable({ body, method }: ProxyRequest): boolean {
  return body.isEmpty && isIdempotent(method);
}

/** A connection that was being closed while a request was on its way to it ends within one round trip. In ms. */
const RACE_MS = 100;

/** Was the used connection that ended with `error` closed already, or about to be, when the request was written on it? */
export function wasStale(
  { code, requestSent }: ProxyError,
  { aborted, connectedAtMs }: ProxyRequest,
  nowMs: number,
): boolean {
  const isEnd = code === 'PF_UPSTREAM_CLOSED' && aborted === undefined;
  return isEnd && (requestSent === false || nowMs - connectedAtMs <= RACE_MS);
}

/**
 * A used connection that ends at once, before anything came back, had most likely been closed while it was idle. That is no
 * try of the endpoint yet: what is repeatable is sent again at once, on a fresh connection (RFC 9112 §9.3.1), unless
 * configuration forbids retries for what happened. A target that retries nothing else may do so all the same.
 */
export function mayBeginAnew(
  { requestSent }: ProxyError,
  request: ProxyRequest,
  target: Pick<ForwardTarget, 'options' | 'resendsStale'>,
): boolean {
  const { attempts, on } = target.options.retry;
  const isAllowed = attempts > 1 && (requestSent === false ? on.connect : on.resetBeforeResponse);
  return (isAllowed || target.resendsStale === true) && isRepeatable(request);
}
