// HOT PATH. One attempt of a request: pick, connection, exchange, and the settling of its claim.
import { ProxyError, type ErrorCode } from '../errors.ts';
import type { ClientConnection, Exchange, ExchangeEnd, ExchangeReceiver } from '../http/exchange.ts';
import { removeOwnFields } from '../http/accept.ts';
import { retryAfterMs } from '../http/call-fields.ts';
import type { Headers } from '../http/headers.ts';
import type { Abortable, Attempt, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { AttemptWait, type WaitingAttempt } from './attempt-wait.ts';
import { discard } from './discard.ts';
import type { Claim, Endpoint } from './endpoint.ts';
import type { Forwarder } from './forward-target.ts';
import { isRepeatable, mayBeginAnew, wasStale } from './repeatable.ts';
import { EJECTED_FOR, notExecuted } from './not-executed.ts';
import { outcomeOfError, outcomeOfStatus, type Outcome } from './outcome.ts';
import { located } from './located.ts';
import type { PickWaiter } from './pick-queue.ts';
import type { ConnectionWaiter } from './pool.ts';

/** One attempt on its way: from the pick until both directions of its exchange have ended. */
export class ForwardAttempt
  implements Attempt, Abortable, PickWaiter, ConnectionWaiter, ExchangeReceiver, WaitingAttempt
{
  endpoint = '';
  result: number | ErrorCode | undefined = undefined;
  private readonly forwarder: Forwarder;
  private readonly request: ProxyRequest;
  private readonly resolve: (response: ProxyResponse) => void;
  private readonly reject: (error: ProxyError) => void;
  private readonly wait: AttemptWait;
  private claim: Claim | undefined = undefined;
  /** A connection that is looked at once more before it is written to. */
  private held: ClientConnection | undefined = undefined;
  private exchange: Exchange | undefined = undefined;
  private failure: ProxyError | undefined = undefined;
  private isRefused = false;
  private isOver = false;
  /** Its connection, where that had been idle before and nothing has come on it since. */
  private reused: ClientConnection | undefined = undefined;
  /** The exchange on a stale connection was given up for one on a fresh one; its end is none of the attempt. */
  private isAnew = false;

  constructor(
    forwarder: Forwarder,
    request: ProxyRequest,
    resolve: (response: ProxyResponse) => void,
    reject: (error: ProxyError) => void,
  ) {
    this.forwarder = forwarder;
    this.request = request;
    this.resolve = resolve;
    this.reject = reject;
    this.wait = new AttemptWait(this, forwarder, request);
  }

  pick(): void {
    const { request } = this;
    if (request.aborted !== undefined) {
      this.reject(request.aborted);
      return;
    }
    const { target } = this.forwarder;
    const result = this.forwarder.pick(request);
    switch (result.kind) {
      case 'picked':
        this.begin(result.endpoint.isSilent ? this.insteadOf(result.endpoint) : result.endpoint);
        return;
      case 'queue':
        request.workedOnBy(this);
        target.queue.add(this);
        return;
      case 'unavailable':
        this.onPickFailed(target.unavailable(result.reason));
    }
  }

  onPickable(): void {
    this.pick();
  }

  onPickFailed(error: ProxyError): void {
    this.request.workedOnBy(undefined);
    this.reject(error);
  }

  onConnection(connection: ClientConnection): void {
    this.send(connection, this.forwarder.clock.now());
  }

  onConnectFailed(error: ProxyError): void {
    this.onFailed(error);
    this.end(error, this.forwarder.clock.now());
  }

  onInformational(status: number, headers: Headers): void {
    this.reused = undefined;
    if (!this.isBelieved) removeOwnFields(headers);
    this.request.onInformational?.(status, headers);
  }

  onResponse(response: ProxyResponse): void {
    this.wait.disarm();
    const { status } = response;
    this.claim?.heard(this.request.answeredAtMs, status);
    this.result = status;
    if (!this.isBelieved) {
      removeOwnFields(response.headers);
    } else if ((status === 503 || status === 421) && this.claim !== undefined) {
      const code = notExecuted(response);
      if (code !== undefined) {
        this.refused(this.claim.endpoint, code, response);
        return;
      }
    }
    if (status === 503 || status === 429)
      this.claim?.endpoint.outlier.asked(retryAfterMs(response.headers), this.request.answeredAtMs);
    if (status < 500 && this.claim !== undefined) {
      const tookMs = this.claim.answered(this.request.answeredAtMs);
      this.forwarder.target.hangs?.answered(tookMs);
    }
    this.resolve(response);
  }

  onFailed(error: ProxyError): void {
    if (this.reused !== undefined && wasStale(error, this.request, this.forwarder.clock.now())) {
      this.claim?.endpoint.pool.onStale(this.reused);
      this.reused = undefined;
      if (mayBeginAnew(error, this.request, this.forwarder.target)) {
        this.beginAnew();
        return;
      }
    }
    this.wait.disarm();
    this.failure = error;
    this.result = error.code;
    this.request.workedOnBy(undefined);
    this.reject(this.forwarder.target.asSeenByCaller(located(error, this.endpoint)));
  }

  onEnd(end: ExchangeEnd): void {
    if (this.isAnew) this.isAnew = false;
    else this.end(end.error, end.endedAtMs);
  }

  onDeadline(): void {
    this.wait.passed();
  }

  get isWaiting(): boolean {
    return !this.isOver && this.result === undefined;
  }

  get isSent(): boolean {
    return this.exchange !== undefined;
  }

  giveUp(what: string): void {
    const { endpoint, isSent } = this;
    this.abort(new ProxyError('PF_TIMEOUT', `endpoint ${endpoint}: ${what}`, { requestSent: isSent, endpoint }));
  }

  abort(reason: ProxyError): void {
    if (this.isOver) return;
    if (this.exchange !== undefined) {
      this.exchange.cancel(reason);
    } else if (this.claim !== undefined) {
      const { pool } = this.claim.endpoint;
      pool.abandon(this);
      this.held?.close();
      this.held = undefined;
      this.onConnectFailed(reason);
    } else {
      this.forwarder.target.queue.remove(this);
      this.isOver = true;
      this.onPickFailed(reason);
    }
  }

  /** What the endpoint says in x-pilotfish-* fields counts: no app behind us, and no stranger, may speak for a sidecar. */
  private get isBelieved(): boolean {
    return this.claim?.endpoint.isRegistered === true;
  }

  private begin(endpoint: Endpoint): void {
    const { request, forwarder } = this;
    const nowMs = forwarder.clock.now();
    this.claim = endpoint.claim(nowMs, request.attempts.length > request.firstAttempt);
    this.endpoint = endpoint.address;
    request.attempts.push(this);
    forwarder.announcer?.announce(request, nowMs);
    request.pickedAtMs = nowMs;
    forwarder.target.decisions?.picked(endpoint.address, request.attempts.length, nowMs);
    request.workedOnBy(this);
    this.wait.begin(endpoint, nowMs);
    const isFresh = request.attempts.length >= forwarder.lastAttempt;
    const reuse = isFresh ? 'fresh' : isRepeatable(this.request) ? 'any' : 'proven';
    const connection = endpoint.pool.acquire(this, reuse, nowMs);
    if (connection !== undefined) this.send(connection, nowMs);
  }

  /**
   * What cannot be sent again is not written on a connection that was idle before the events of this turn of the loop are through:
   * the peer's end may be among them, and nothing will have been sent then.
   */
  private send(connection: ClientConnection, nowMs: number): void {
    const mayBeStale = connection.used > 0 || connection.idleMs > 0;
    this.reused = mayBeStale ? connection : undefined;
    if (this.reused !== undefined && !isRepeatable(this.request)) {
      this.held = connection;
      setImmediate(lookAgain, this);
      return;
    }
    this.request.connectedAtMs = nowMs;
    this.exchange = connection.send(this.request, this.request.body, this);
  }

  private beginAnew(): void {
    this.isAnew = true;
    this.exchange = undefined;
    this.claim?.endpoint.pool.acquire(this, 'fresh', this.forwarder.clock.now());
  }

  /** @internal */
  sendHeld(): void {
    const { held, request, claim } = this;
    if (held === undefined || claim === undefined) return;
    this.held = undefined;
    const nowMs = this.forwarder.clock.now();
    if (held.isUsable && held.capacity > 0) {
      request.connectedAtMs = nowMs;
      this.exchange = held.send(request, request.body, this);
    } else {
      held.close();
      claim.endpoint.pool.onStale(held);
      claim.endpoint.pool.acquire(this, 'fresh', nowMs);
    }
  }

  /** Another one than an endpoint that may have stopped, where there is one that is well. */
  private insteadOf(silent: Endpoint): Endpoint {
    const { attempts } = this.request;
    attempts.push({ endpoint: silent.address, result: undefined });
    const result = this.forwarder.pick(this.request);
    attempts.pop();
    if (result.kind !== 'picked') return silent;
    const { endpoint } = result;
    return endpoint.isSilent || endpoint.outlier.isEjected ? silent : endpoint;
  }

  private refused(endpoint: Endpoint, code: ErrorCode, response: ProxyResponse): void {
    this.isRefused = true;
    this.result = code;
    this.request.workedOnBy(undefined);
    discard(response.body, this.forwarder.clock);
    const cause = EJECTED_FOR[code];
    if (cause !== undefined) this.forwarder.target.eject(endpoint, cause);
    const message = `endpoint ${this.endpoint}: its sidecar says that it did not execute the request`;
    this.reject(new ProxyError(code, message, { requestSent: false, endpoint: this.endpoint }));
  }

  private end(error: ProxyError | undefined, nowMs: number): void {
    if (this.isOver) return;
    this.isOver = true;
    this.wait.disarm();
    this.request.leftBy(this);
    if (this.claim !== undefined) this.settle(this.claim, error, nowMs);
  }

  private settle(claim: Claim, error: ProxyError | undefined, nowMs: number): void {
    const { forwarder, request, result } = this;
    const outcome = this.outcome(error, nowMs);
    claim.settle(outcome, nowMs);
    if (forwarder.observer === undefined || request.attempts[request.firstAttempt] !== this) return;
    const status = typeof result === 'number' ? result : 0;
    const knownAtMs = outcome === 'success' ? request.answeredAtMs : nowMs;
    forwarder.observer.onAttemptEnd(outcome, status, this.failure ?? error, claim.startedAtMs, knownAtMs);
  }

  private outcome(error: ProxyError | undefined, nowMs: number): Outcome {
    if (this.isRefused) return 'not-executed';
    const { result, failure } = this;
    if (typeof result === 'number') {
      const outcome = outcomeOfStatus(result);
      return outcome === 'success' && error !== undefined ? outcomeOfError(error) : outcome;
    }
    const cause = failure ?? error; // Without the first: it broke off within an answer that a layer held back.
    if (cause === undefined) return 'cancelled';
    if (cause === this.request.aborted && cause.code === 'PF_TIMEOUT' && !this.wait.wasLong(nowMs)) return 'cancelled';
    return outcomeOfError(cause);
  }
}

function lookAgain(attempt: ForwardAttempt): void {
  attempt.sendHeld();
}
