// From the facts of a failed attempt to "may it be tried again": what may have been executed is, for idempotent methods only.
import type { ProxyError } from '../errors.ts';
import { isIdempotent } from '../upstream/idempotent.ts';
import type { RetryOn } from '../upstream/options.ts';

/** May a request whose attempt failed with `error` go elsewhere? Not where `requestSent` is absent: no endpoint had a part in it. */
export function mayRetryError(on: RetryOn, error: ProxyError, method: string): boolean {
  const { code, requestSent } = error;
  if (requestSent !== true) return requestSent === false && on.connect;
  if (!isIdempotent(method)) return false;
  if (code === 'PF_TIMEOUT') return on.attemptTimeout;
  return (code === 'PF_UPSTREAM_CLOSED' || code === 'PF_UPSTREAM_PROTOCOL') && on.resetBeforeResponse;
}

/** May a request that was answered with `status` go elsewhere? */
export function mayRetryStatus(on: RetryOn, status: number, method: string): boolean {
  return status >= 400 && on.statuses.includes(status) && isIdempotent(method);
}
