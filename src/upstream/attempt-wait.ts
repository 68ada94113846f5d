// HOT PATH. How long an attempt waits for its answer's head: its own time, and sooner where its endpoint has stopped answering at all.
import type { ProxyRequest } from '../http/message.ts';
import { Deadline, type DeadlineOwner } from '../util/deadline-list.ts';
import type { Endpoint } from './endpoint.ts';
import type { Forwarder } from './forward-target.ts';
import { FIRST_PATIENCE_MS, type SilenceWaiter } from './hang-watch.ts';

/** An attempt, as its wait sees it; `onDeadline` calls `passed`. */
export interface WaitingAttempt extends DeadlineOwner {
  /** No answer, no failure, no end so far. */
  readonly isWaiting: boolean;
  /** It is on a connection. */
  readonly isSent: boolean;
  /** Fails with PF_TIMEOUT. */
  giveUp(what: string): void;
}

/** One for each attempt. Nothing is due while the client still sends: a slow upload is not the endpoint's fault. */
export class AttemptWait extends Deadline implements SilenceWaiter {
  private readonly attempt: WaitingAttempt;
  private readonly forwarder: Forwarder;
  private readonly request: ProxyRequest;
  private endpoint: Endpoint | undefined = undefined;
  private startedAtMs = 0;
  /** Without a sign from the endpoint for so long, it is asked whether it lives; in ms, 0 = never. */
  private patienceMs = 0;
  /** Content that had come when the deadline passed last. */
  private seenBytes = 0;

  constructor(attempt: WaitingAttempt, forwarder: Forwarder, request: ProxyRequest) {
    super(attempt);
    this.attempt = attempt;
    this.forwarder = forwarder;
    this.request = request;
  }

  /** Until `disarm`. */
  begin(endpoint: Endpoint, nowMs: number): void {
    const { forwarder } = this;
    this.endpoint = endpoint;
    this.startedAtMs = nowMs;
    this.patienceMs = forwarder.target.hangs?.patienceMs ?? 0;
    forwarder.deadlinesFor(this.patienceMs)?.arm(this, nowMs);
  }

  /** The deadline that was armed last has passed. */
  passed(): void {
    const { request, forwarder, endpoint } = this;
    const { attemptMs } = forwarder.target.options.timeout;
    const nowMs = forwarder.clock.now();
    const sinceMs = this.sinceMs(nowMs);
    if (sinceMs + attemptMs <= nowMs || endpoint === undefined) {
      this.attempt.giveUp(`no answer within ${attemptMs} ms`);
      return;
    }
    this.seenBytes = request.body.received;
    const silentSinceMs = Math.max(sinceMs, endpoint.heardAtMs);
    if (this.patienceMs === 0 || silentSinceMs + this.patienceMs > nowMs) {
      this.goOn(silentSinceMs, sinceMs);
    } else {
      forwarder.deadlinesFor(0)?.arm(this, sinceMs);
      forwarder.target.hangs?.ask(endpoint, this);
    }
  }

  /**
   * The request's own deadline is the endpoint's fault only where the endpoint had most of that time, and as much as answers
   * take: a caller may ask for less than anybody can do.
   */
  wasLong(nowMs: number): boolean {
    const { request, forwarder } = this;
    const sinceMs = Math.max(this.startedAtMs, request.answerableSinceMs(request.body.received) ?? nowMs);
    return nowMs - sinceMs >= Math.max(request.timeoutMs / 2, forwarder.target.hangs?.usualMs ?? FIRST_PATIENCE_MS);
  }

  /** Looks again, but later each time: what takes a minute is not asked about ten times a second. */
  onAlive(): void {
    if (!this.attempt.isWaiting) return;
    const nowMs = this.forwarder.clock.now();
    this.patienceMs *= 2;
    this.goOn(nowMs, this.sinceMs(nowMs));
  }

  onHung(): void {
    const { attempt, request } = this;
    if (!attempt.isWaiting) return;
    if (request.mover?.pay(request, attempt.isSent) === true) attempt.giveUp('it answers nothing any more');
  }

  /** Monotonic ms since when a connection, or an answer, can be expected. */
  private sinceMs(nowMs: number): number {
    if (!this.attempt.isSent) return this.startedAtMs;
    return Math.max(this.startedAtMs, this.request.answerableSinceMs(this.seenBytes) ?? nowMs);
  }

  /** Until the patience that begins at `fromMs` is over, or the attempt's whole time, whichever comes first. */
  private goOn(fromMs: number, sinceMs: number): void {
    const { forwarder, patienceMs } = this;
    const isShorter = patienceMs > 0 && fromMs + patienceMs < sinceMs + forwarder.target.options.timeout.attemptMs;
    if (isShorter) forwarder.deadlinesFor(patienceMs)?.arm(this, fromMs);
    else forwarder.deadlinesFor(0)?.arm(this, sinceMs);
  }
}
