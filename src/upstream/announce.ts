// HOT PATH. What an attempt tells the sidecar that it goes to: for whom it is, which try, and for how long an answer is of use.
import { writeCallFields } from '../http/call-fields.ts';
import { FIELD } from '../http/field.ts';
import type { Headers } from '../http/headers.ts';
import type { ProxyRequest } from '../http/message.ts';

const ID_TO = FIELD['x-pilotfish-to'];

/** One for each upstream. */
export class Announcer {
  private readonly to: string;
  private readonly attemptMs: number;
  private readonly attemptText: string;

  /**
   * @param to the service that is meant.
   * @param attemptMs bound of one attempt; 0 = none.
   */
  constructor(to: string, attemptMs: number) {
    this.to = to;
    this.attemptMs = attemptMs === 0 ? Infinity : attemptMs;
    this.attemptText = String(attemptMs);
  }

  /** Sets `x-pilotfish-to`, `x-request-attempt`, `x-request-timeout-ms` and `grpc-timeout` for the attempt that was counted last. */
  announce(request: ProxyRequest, nowMs: number): void {
    const { headers, attempts, callerAttempt } = request;
    if (attempts.length === 1 || headers.getId(ID_TO) !== this.to) this.address(headers);
    writeCallFields(headers, Math.max(attempts.length, callerAttempt), this.timeoutText(request, nowMs));
  }

  /** What is left of the request's time or, where that is less, what one attempt has. While content comes, that has not begun. */
  private timeoutText(request: ProxyRequest, nowMs: number): string | undefined {
    const { timeoutMs } = request;
    const { attemptMs } = this;
    if (timeoutMs === 0) return attemptMs === Infinity ? undefined : this.attemptText;
    const leftMs = (request.answerableSinceMs(0) ?? nowMs) + timeoutMs - nowMs;
    return leftMs >= attemptMs ? this.attemptText : String(Math.max(1, Math.ceil(leftMs)));
  }

  private address(headers: Headers): void {
    if (headers.hasId(ID_TO)) headers.delete('x-pilotfish-to');
    headers.append('X-Pilotfish-To', this.to, ID_TO);
  }
}
