// HOT PATH. What came of an attempt, as ejection, metrics and the admin view count it.
import type { ErrorCode, ProxyError } from '../errors.ts';

/**
 * `success`: any answer but 502, 503, 504 (`gateway-error`). `not-executed`: a registered sidecar said so.
 * Held against nobody: `overflow`, our own limit on connections; `not-sent`, the connection was found closed before anything
 * was written; `cancelled`, the client went away or the request's deadline came.
 */
export type Outcome =
  | 'success'
  | 'gateway-error'
  | 'connect-failed'
  | 'reset'
  | 'protocol-error'
  | 'timeout'
  | 'not-executed'
  | 'overflow'
  | 'not-sent'
  | 'cancelled';

/** How many attempts had each outcome. */
export type OutcomeCounts = Record<Outcome, number>;

export function noOutcomes(): OutcomeCounts {
  return {
    success: 0,
    'gateway-error': 0,
    'connect-failed': 0,
    reset: 0,
    'protocol-error': 0,
    timeout: 0,
    'not-executed': 0,
    overflow: 0,
    'not-sent': 0,
    cancelled: 0,
  };
}

/** Does it count towards an ejection? */
export function isFailure(outcome: Outcome): boolean {
  switch (outcome) {
    case 'gateway-error':
    case 'connect-failed':
    case 'reset':
    case 'protocol-error':
    case 'timeout':
      return true;
    case 'success':
    case 'not-executed':
    case 'overflow':
    case 'not-sent':
    case 'cancelled':
      return false;
  }
}

/** Of an answer that was complete. */
export function outcomeOfStatus(status: number): Outcome {
  return status >= 502 && status <= 504 ? 'gateway-error' : 'success';
}

const OF_CODE: Readonly<Partial<Record<ErrorCode, Outcome>>> = {
  PF_CONNECT_FAILED: 'connect-failed',
  PF_UPSTREAM_CLOSED: 'reset',
  PF_UPSTREAM_PROTOCOL: 'protocol-error',
  PF_TIMEOUT: 'timeout',
  PF_OVERFLOW: 'overflow',
};

/** Of an attempt that failed, before or within its answer. */
export function outcomeOfError(error: ProxyError): Outcome {
  if (error.code === 'PF_UPSTREAM_CLOSED' && error.requestSent === false) return 'not-sent';
  return OF_CODE[error.code] ?? 'cancelled';
}
