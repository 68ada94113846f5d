// The outermost layer of an upstream, where it is configured: gives another answer in place of the failure of the whole upstream.
import { ProxyError, type ErrorCode } from '../errors.ts';
import { Body } from '../http/body.ts';
import { readCallFields, restoreCallFields } from '../http/call-fields.ts';
import { FIELD } from '../http/field.ts';
import { Headers } from '../http/headers.ts';
import { ProxyResponse, type Handler, type ProxyRequest } from '../http/message.ts';
import type { Decisions } from '../upstream/decisions.ts';
import { discard } from '../upstream/discard.ts';
import type { FallbackCause, FallbackDescription, FallbackView } from '../upstream/fallback-view.ts';
import type { FallbackAnswer, FallbackOptions, RetryOptions } from '../upstream/options.ts';
import type { Clock } from '../util/clock.ts';
import { ReplayBody } from './replay-body.ts';
import { mayBeExecutedAgain } from './retry-policy.ts';

/** Which failure each code is; what is missing is not the upstream's: a client that went away, a request that is wrong, a bug. */
const CAUSE_OF: Readonly<Partial<Record<ErrorCode, FallbackCause>>> = {
  PF_BREAKER_OPEN: 'breaker-open',
  PF_NO_ENDPOINT: 'no-endpoint',
  PF_APP_DOWN: 'no-endpoint',
  PF_DRAINING: 'no-endpoint',
  PF_MISDIRECTED: 'no-endpoint',
  PF_CONNECT_FAILED: 'connect-failed',
  PF_TIMEOUT: 'timeout',
  PF_UPSTREAM_CLOSED: 'reset',
  PF_UPSTREAM_PROTOCOL: 'protocol-error',
  PF_OVERFLOW: 'overflow',
};

export interface FallbackContext {
  readonly clock: Clock;
  /** Of the upstream that the fallback belongs to: what may be executed again goes to another upstream as it goes to another endpoint. */
  readonly retry: RetryOptions;
  readonly decisions: Decisions;
  /** How another upstream is called; undefined where there is none of that name. */
  readonly callOf: (upstream: string) => { readonly handle: Handler } | undefined;
}

/** What an upstream made of a request: its last error, or an answer with one of the listed statuses. */
interface Failure {
  readonly cause: FallbackCause;
  readonly error: ProxyError | undefined;
  readonly response: ProxyResponse | undefined;
}

/**
 * Comes last, after all retries. A request changes its upstream once at most; a fixed answer is given wherever it ends. To
 * another upstream goes only what was certainly not executed, or may be executed twice, whose content is still held, and whose
 * time is not over: it has what is left of that upstream's own time, counted from when the request came. Where that fails, too,
 * the caller hears of the failure there.
 */
export class Fallback implements FallbackView {
  readonly taken: Partial<Record<FallbackCause, number>> = {};
  private readonly options: FallbackOptions;
  private readonly context: FallbackContext;
  private readonly next: Handler;
  private readonly to: string;
  private lastAtMs: number | undefined = undefined;
  private lastWhy = '';

  /** @param next the upstream itself. */
  constructor(options: FallbackOptions, context: FallbackContext, next: Handler) {
    this.options = options;
    this.context = context;
    this.next = next;
    const { answer, upstream } = options;
    this.to = answer === undefined ? `upstream ${upstream ?? ''}` : `answer ${answer.status}`;
  }

  readonly handle: Handler = (request) => {
    const { answer, upstream } = this.options;
    if (answer !== undefined) return this.orAnswer(request, answer);
    // One hop: what has come from another upstream ends here.
    if (upstream === undefined || request.fallback !== undefined) return this.next(request);
    return this.orElsewhere(request, upstream);
  };

  describe(nowMs: number): FallbackDescription {
    const { reasons, statuses } = this.options;
    const { lastAtMs, lastWhy } = this;
    return {
      to: this.to,
      on: [...reasons, ...statuses],
      taken: { ...this.taken },
      ...(lastAtMs === undefined ? {} : { lastAgoMs: Math.round(nowMs - lastAtMs), lastWhy }),
    };
  }

  wouldTake(code: ErrorCode): { readonly to: string; readonly cause: FallbackCause } | undefined {
    const cause = CAUSE_OF[code];
    return cause !== undefined && this.options.reasons.includes(cause) ? { to: this.to, cause } : undefined;
  }

  private async orAnswer(request: ProxyRequest, answer: FallbackAnswer): Promise<ProxyResponse> {
    const failure = await this.failureOf(request);
    if (failure instanceof ProxyResponse) return failure;
    if (failure.response !== undefined) discard(failure.response.body, this.context.clock);
    this.take(failure);
    request.fallback ??= { to: 'answer', cause: failure.cause, attemptsBefore: request.attempts.length };
    return made(answer, failure.error);
  }

  private async orElsewhere(request: ProxyRequest, upstream: string): Promise<ProxyResponse> {
    const said = readCallFields(request.headers);
    const replay = request.body.isEmpty || request.isUpgrade ? undefined : new ReplayBody(request.body);
    if (replay !== undefined) request.body = replay.open();
    try {
      const failure = await this.failureOf(request);
      if (failure instanceof ProxyResponse) return failure;
      const call = this.mayGoOn(request, failure, replay) ? this.context.callOf(upstream) : undefined;
      if (call === undefined) return asItIs(failure);
      if (failure.response !== undefined) discard(failure.response.body, this.context.clock);
      this.take(failure);
      restoreCallFields(request.headers, said);
      request.goOn({ to: upstream, cause: failure.cause, attemptsBefore: request.attempts.length });
      if (replay !== undefined) request.body = replay.open();
      const response = await call.handle(request);
      if (response.code === undefined) response.headers.append('X-Pilotfish-Fallback', upstream, OWN_FIELD);
      return response;
    } finally {
      replay?.commit();
    }
  }

  /** The answer of the upstream where that is none; throws what no fallback is for. */
  private async failureOf(request: ProxyRequest): Promise<ProxyResponse | Failure> {
    const { reasons, statuses } = this.options;
    try {
      const response = await this.next(request);
      if (response.status < 500 || response.code !== undefined || !statuses.includes(response.status)) return response;
      return { cause: 'status', error: undefined, response };
    } catch (error) {
      const cause = error instanceof ProxyError ? CAUSE_OF[error.code] : undefined;
      if (cause === undefined || !reasons.includes(cause)) throw error;
      return { cause, error: error as ProxyError, response: undefined };
    }
  }

  private mayGoOn(request: ProxyRequest, { error }: Failure, replay: ReplayBody | undefined): boolean {
    if (request.aborted !== undefined || replay?.canReplay === false) return false;
    // Without `requestSent` no endpoint had a part in the failure: what came before it was tried again, which was safe.
    if (error !== undefined && error.requestSent !== true) return true;
    return !request.isUpgrade && mayBeExecutedAgain(this.context.retry, request);
  }

  private take({ cause, error, response }: Failure): void {
    const nowMs = this.context.clock.now();
    this.taken[cause] = (this.taken[cause] ?? 0) + 1;
    this.lastAtMs = nowMs;
    this.lastWhy = error?.message ?? `an answer ${response?.status ?? ''}`;
    this.context.decisions.fellBack(this.to, cause, this.lastWhy, nowMs);
  }
}

const OWN_FIELD = FIELD['x-pilotfish-*'];

/** Without a fallback after all. */
function asItIs({ error, response }: Failure): ProxyResponse {
  if (response !== undefined) return response;
  throw error ?? new Error('a failure has an error or a response');
}

/** The fixed answer; it carries the code of what it stands for, which log and metrics tell as the flag. */
function made({ status, headers: fields, body }: FallbackAnswer, error: ProxyError | undefined): ProxyResponse {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  if (error !== undefined) headers.append('X-Pilotfish-Code', error.code, FIELD['x-pilotfish-code']);
  headers.append('X-Pilotfish-Fallback', 'answer', OWN_FIELD);
  const content = body === undefined ? Body.empty : Body.of(body.content());
  const response = new ProxyResponse(status, headers, content, error?.code);
  response.failure = error;
  return response;
}
