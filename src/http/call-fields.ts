// HOT PATH. What one hop tells the next of a call: which attempt it is, and for how long an answer is of use. Believed downwards only.
import { FIELD } from './field.ts';
import type { Headers } from './headers.ts';

const {
  'x-request-attempt': ID_ATTEMPT,
  'x-request-timeout-ms': ID_TIMEOUT,
  'grpc-timeout': ID_GRPC_TIMEOUT,
  'content-type': ID_CONTENT_TYPE,
} = FIELD;

const MAX_ATTEMPT = 1_000;
const MAX_TIMEOUT_MS = 86_400_000;
/** Units of `grpc-timeout` in ms (grpc/grpc, doc/PROTOCOL-HTTP2.md). */
const GRPC_UNITS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** What the caller said. */
export interface CallFields {
  /** Which attempt of its own the request is, ≥ 1; 1 where it said nothing that could be read. */
  readonly attempt: number;
  /** It gives up after so many ms, ≥ 1; undefined where it said nothing that could be read. */
  readonly timeoutMs: number | undefined;
}

const NOTHING_SAID: CallFields = { attempt: 1, timeoutMs: undefined };

/**
 * Reads `x-request-attempt`, `x-request-timeout-ms` and `grpc-timeout`. Whoever wrote them, they can only make us do less:
 * the shortest time and the highest attempt count; what is no number of the expected range is ignored.
 */
export function readCallFields({ ids, pairs }: Headers): CallFields {
  let attempt = 1;
  let timeoutMs = Infinity;
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index] as number;
    // The three stand side by side in the table of fields.
    if (id < ID_ATTEMPT || id > ID_GRPC_TIMEOUT) continue;
    const value = pairs[2 * index + 1] ?? '';
    if (id === ID_ATTEMPT) attempt = Math.max(attempt, integerOf(value, MAX_ATTEMPT) ?? 1);
    else if (id === ID_TIMEOUT) timeoutMs = Math.min(timeoutMs, integerOf(value, MAX_TIMEOUT_MS) ?? Infinity);
    else timeoutMs = Math.min(timeoutMs, grpcTimeoutMs(value) ?? Infinity);
  }
  if (attempt === 1 && timeoutMs === Infinity) return NOTHING_SAID;
  return { attempt, timeoutMs: timeoutMs === Infinity ? undefined : timeoutMs };
}

/**
 * Sets them on the way out, in place of whatever stood there. `timeoutMs` undefined: an answer is of use at any time.
 * `grpc-timeout` only on gRPC requests.
 */
export function writeCallFields(headers: Headers, attempt: number, timeoutMs: string | undefined): void {
  put(headers, ID_ATTEMPT, 'X-Request-Attempt', attempt === 1 ? '1' : String(attempt));
  if (timeoutMs === undefined) return;
  put(headers, ID_TIMEOUT, 'X-Request-Timeout-Ms', timeoutMs);
  if (headers.getId(ID_CONTENT_TYPE)?.startsWith('application/grpc') === true) {
    put(headers, ID_GRPC_TIMEOUT, 'grpc-timeout', `${timeoutMs}m`);
  }
}

/** Puts back what the caller said where attempts were told something since: another upstream begins with that. */
export function restoreCallFields(headers: Headers, { attempt, timeoutMs }: CallFields): void {
  headers.removeWhere((id) => id >= ID_ATTEMPT && id <= ID_GRPC_TIMEOUT);
  if (attempt > 1) headers.append('X-Request-Attempt', String(attempt), ID_ATTEMPT);
  if (timeoutMs !== undefined) headers.append('X-Request-Timeout-Ms', String(timeoutMs), ID_TIMEOUT);
}

function put(headers: Headers, id: number, name: string, value: string): void {
  const index = headers.ids.indexOf(id);
  if (index < 0) {
    headers.append(name, value, id);
  } else if (headers.ids.indexOf(id, index + 1) < 0) {
    headers.pairs[2 * index + 1] = value;
  } else {
    headers.set(name, value);
  }
}

function integerOf(text: string, max: number): number | undefined {
  if (!/^\d{1,9}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= 1 && value <= max ? value : undefined;
}

function grpcTimeoutMs(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * (GRPC_UNITS[match[2] ?? ''] ?? 1);
  return Math.min(MAX_TIMEOUT_MS, Math.max(1, Math.ceil(ms)));
}

/** `Retry-After` in whole seconds (RFC 9110 §10.2.3), as ms; undefined where there is none, or it is a date. At most a day. */
export function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.getId(FIELD['retry-after']);
  return text === undefined || !/^\d{1,9}$/.test(text) ? undefined : Math.min(MAX_TIMEOUT_MS, Number(text) * 1_000);
}
