// HOT PATH. What became of a request, in one number and one status: the access log and the metrics read it alike.
import { CODES, type ErrorCode } from '../errors.ts';

/** How an answer ended; `DownstreamEnd` is one. */
export interface EndFacts {
  readonly response: { readonly status: number; readonly code: ErrorCode | undefined } | undefined;
  readonly error: { readonly code: ErrorCode; readonly status: number } | undefined;
}

/** The tries behind it; those of a `ProxyRequest` are. */
export type AttemptFacts = readonly { readonly result: number | ErrorCode | undefined }[];

const PLAIN = [
  '-',
  ...new Set(
    Object.values(CODES)
      .map((facts) => facts.flag)
      .filter((flag) => flag !== '-'),
  ),
];

/** Every value that a response flag can have: Envoy's letters; the second half has `URX` (retries spent) added. */
export const FLAGS: readonly string[] = [...PLAIN, ...PLAIN.map((flag) => (flag === '-' ? 'URX' : `${flag},URX`))];

/** Index into FLAGS of each code's flag. */
const FLAG_OF = new Map(Object.entries(CODES).map(([code, facts]) => [code, PLAIN.indexOf(facts.flag)]));
/** Added to an index into FLAGS: with URX. */
const SPENT = PLAIN.length;
/** Went unanswered because the client went away (nginx' number). */
const CLIENT_CLOSED = CODES.PF_CLIENT_CLOSED.status;

/** Index into FLAGS. 0 (`-`) for an answer that is an upstream's own and ended whole. */
export function flagOf(end: EndFacts, attempts: AttemptFacts): number {
  const code = codeOf(end);
  const flag = code === undefined ? 0 : (FLAG_OF.get(code) ?? 0);
  return attempts.length > 1 && code !== 'PF_CLIENT_CLOSED' && areRetriesSpent(attempts) ? flag + SPENT : flag;
}

/** The code behind the flag: why the answer broke off, or what the sidecar answered instead; undefined for an upstream's own. */
export function codeOf(end: EndFacts): ErrorCode | undefined {
  if (end.error !== undefined) return end.error.code;
  return end.response === undefined ? 'PF_CLIENT_CLOSED' : end.response.code;
}

/** Status for log and metrics: the answer's; 499 where the client went away before it was complete. */
export function statusOf(end: EndFacts): number {
  if (end.error?.code === 'PF_CLIENT_CLOSED') return CLIENT_CLOSED;
  return end.response?.status ?? end.error?.status ?? CLIENT_CLOSED;
}

/** There was a retry and the last try was no better: it failed, or its status is one that retries are made for. */
function areRetriesSpent(attempts: AttemptFacts): boolean {
  const last = attempts.at(-1)?.result;
  if (last === undefined || last === 'PF_CLIENT_CLOSED') return false;
  if (typeof last === 'string' || (last >= 502 && last <= 504)) return true;
  return attempts.findIndex((attempt) => attempt.result === last) < attempts.length - 1;
}
