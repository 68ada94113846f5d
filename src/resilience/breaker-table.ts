// What each outcome of an attempt means to the breaker: one table, from which docs/resilience.md is checked row by row.
import type { ErrorCode, ProxyError } from '../errors.ts';
import type { Outcome } from '../upstream/outcome.ts';

/** One row. */
export interface OutcomeFacts {
  /** The next try may well succeed without anybody changing anything. A fan-out goes on; a run of failures is not longer for it. */
  readonly isRecoverable: boolean;
  /** One more in the run of consecutive failures. Never of a recoverable one. */
  readonly feedsRun: boolean;
  /**
   * In the error ratio: `failure` of the upstream; `request` that was no failure, which also ends a run; `nothing`: it counts
   * nowhere.
   */
  readonly ratio: 'failure' | 'request' | 'nothing';
  /** Of a probe: it lives; it does not; or no verdict, so that the next request is a probe, too. */
  readonly probe: 'good' | 'bad' | 'no verdict';
  /** When this row holds. */
  readonly when: string;
}

const ok = { isRecoverable: false, feedsRun: false, ratio: 'request', probe: 'good' } as const;
const wrongRequest = { isRecoverable: false, feedsRun: false, ratio: 'nothing', probe: 'good' } as const;
const askedAgain = { ...wrongRequest, isRecoverable: true } as const;
const broken = { isRecoverable: false, feedsRun: true, ratio: 'failure', probe: 'bad' } as const;
const recoverable = { isRecoverable: true, feedsRun: false, ratio: 'failure', probe: 'bad' } as const;
const nobodysFault = { isRecoverable: true, feedsRun: false, ratio: 'nothing', probe: 'no verdict' } as const;

/** The whole table. */
export const BREAKER_TABLE = {
  answered: { ...ok, when: 'An answer from 100 to 399.' },
  'client-error': {
    ...wrongRequest,
    when: 'The app answers 4xx but 401 and 429: the request was wrong, not the upstream.',
  },
  'token-expired': { ...askedAgain, when: '401: with a new token the same request succeeds.' },
  'rate-limited': { ...askedAgain, when: '429: later the same request succeeds.' },
  'server-error': { ...broken, when: '500, and any other 5xx that no row names.' },
  'bad-gateway': { ...recoverable, when: '502.' },
  unavailable: { ...recoverable, when: '503.' },
  'gateway-timeout': { ...recoverable, when: '504.' },
  'connect-refused': { ...recoverable, when: 'No connection: refused, unreachable, or its name not found.' },
  'connect-timeout': { ...recoverable, when: 'No connection in time.' },
  reset: { ...recoverable, when: 'The connection ended before the answer was complete.' },
  'protocol-error': { ...broken, when: 'What came is no valid answer.' },
  'deadline-exceeded': { ...recoverable, when: 'No answer in time, or a pause within one.' },
  'not-executed': {
    ...recoverable,
    when: 'The sidecar of an instance refused it: app down, stopping, overflow, misdirected.',
  },
  'not-sent': { ...nobodysFault, when: 'An idle connection was found closed before anything was sent.' },
  'refused-here': { ...nobodysFault, when: 'Refused without an attempt: a limit of our own, no endpoint, a breaker.' },
  'cancelled-by-client': { ...nobodysFault, when: 'The client went away.' },
  'cancelled-by-us': { ...nobodysFault, when: 'Given up here: another attempt had answered, or the sidecar stops.' },
  bug: {
    isRecoverable: false,
    feedsRun: false,
    ratio: 'nothing',
    probe: 'no verdict',
    when: 'A fault of this sidecar, of a plugin, or of the request.',
  },
} as const satisfies Record<string, OutcomeFacts>;

export type BreakerRow = keyof typeof BREAKER_TABLE;

/** Of an answer. */
export function rowOfStatus(status: number): BreakerRow {
  if (status < 400) return 'answered';
  switch (status) {
    case 401:
      return 'token-expired';
    case 429:
      return 'rate-limited';
    case 502:
      return 'bad-gateway';
    case 503:
      return 'unavailable';
    case 504:
      return 'gateway-timeout';
    default:
      return status < 500 ? 'client-error' : 'server-error';
  }
}

const OF_CODE: Readonly<Partial<Record<ErrorCode, BreakerRow>>> = {
  PF_UPSTREAM_PROTOCOL: 'protocol-error',
  PF_TIMEOUT: 'deadline-exceeded',
  PF_CLIENT_CLOSED: 'cancelled-by-client',
  PF_NO_ENDPOINT: 'refused-here',
  PF_BREAKER_OPEN: 'refused-here',
  PF_OVERFLOW: 'refused-here',
  PF_APP_DOWN: 'not-executed',
  PF_MISDIRECTED: 'not-executed',
  PF_DRAINING: 'not-executed',
  PF_RATE_LIMITED: 'rate-limited',
  PF_UNAUTHENTICATED: 'token-expired',
  PF_FORBIDDEN: 'client-error',
};

/** Of a failure, as the caller of an attempt sees it. */
export function rowOfError(error: ProxyError): BreakerRow {
  const { code, requestSent } = error;
  if (code === 'PF_CONNECT_FAILED') return isConnectTimeout(error) ? 'connect-timeout' : 'connect-refused';
  if (code === 'PF_UPSTREAM_CLOSED') return requestSent === false ? 'not-sent' : 'reset';
  return OF_CODE[code] ?? 'bug';
}

/**
 * Of an attempt that has ended, both directions done.
 * @param status of its answer; 0 where none came.
 * @param failure that ended it, before or within its answer.
 */
export function rowOfAttempt(outcome: Outcome, status: number, failure: ProxyError | undefined): BreakerRow {
  switch (outcome) {
    case 'success':
    case 'gateway-error':
      return rowOfStatus(status);
    case 'connect-failed':
      return failure !== undefined && isConnectTimeout(failure) ? 'connect-timeout' : 'connect-refused';
    case 'reset':
      return 'reset';
    case 'protocol-error':
      return 'protocol-error';
    case 'timeout':
      return 'deadline-exceeded';
    case 'not-executed':
      return 'not-executed';
    case 'not-sent':
      return 'not-sent';
    case 'overflow':
      return 'refused-here';
    case 'cancelled':
      return failure?.code === 'PF_CLIENT_CLOSED' ? 'cancelled-by-client' : 'cancelled-by-us';
  }
}

/** A dial that ran out of our time has no cause; the system's own verdict has one. */
function isConnectTimeout({ cause }: ProxyError): boolean {
  return cause === undefined || (cause as NodeJS.ErrnoException).code === 'ETIMEDOUT';
}
