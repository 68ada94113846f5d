// From the facts of a failed attempt to "may it be tried again": what may have been executed is, for repeatable requests only.
import type { ProxyError } from '../errors.ts';
import { FIELD } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';
import { isIdempotent } from '../upstream/idempotent.ts';
import type { RetryOptions } from '../upstream/options.ts';

const ID_IDEMPOTENCY_KEY = FIELD['idempotency-key'];

/** May a request whose attempt failed with `error` go elsewhere? Not where `requestSent` is absent: no endpoint had a part in it. */
export function mayRetryError(options: RetryOptions, error: ProxyError, request: ProxyRequest): boolean {
  const { on } = options;
  const { code, requestSent } = error;
  if (requestSent !== true) return requestSent === false && on.connect;
  if (!mayBeExecutedAgain(options, request)) return false;
  if (code === 'PF_TIMEOUT') return on.attemptTimeout;
  return (code === 'PF_UPSTREAM_CLOSED' || code === 'PF_UPSTREAM_PROTOCOL') && on.resetBeforeResponse;
}

/** May a request that was answered with `status` go elsewhere? */
export function mayRetryStatus(options: RetryOptions, status: number, request: ProxyRequest): boolean {
  return status >= 400 && options.on.statuses.includes(status) && mayBeExecutedAgain(options, request);
}

/**
 * An idempotent method, or an `Idempotency-Key` where configuration says that the app heeds it. Not where the caller is at a
 * later attempt itself: of a chain of sidecars one retries, or three times three would reach its end.
 */
export function mayBeExecutedAgain(options: RetryOptions, request: ProxyRequest): boolean {
  if (request.callerAttempt > 1) return false;
  return isIdempotent(request.method) || (options.idempotencyKey && request.headers.hasId(ID_IDEMPOTENCY_KEY));
}
