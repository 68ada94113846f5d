// HOT PATH. The deadline of a whole request, from its end to its answer's head: all attempts, waits and layers inside it together.
import { ProxyError } from '../errors.ts';
import type { Layer, ProxyRequest } from '../http/message.ts';
import type { Clock } from '../util/clock.ts';
import { Deadline, type DeadlineList, type DeadlineLists, type DeadlineOwner } from '../util/deadline-list.ts';

/** Aborts a request with PF_TIMEOUT when its time is over. While its content comes, that has not begun. */
export class RequestDeadline implements DeadlineOwner {
  private readonly request: ProxyRequest;
  private readonly clock: Clock;
  private readonly list: DeadlineList;
  private readonly durationMs: number;
  private readonly deadline: Deadline;
  /** Content that had come when the deadline passed last. */
  private seenBytes = 0;

  /** Armed from the start, `durationMs` from when the request was received, or its content had come. */
  constructor(request: ProxyRequest, clock: Clock, list: DeadlineList, durationMs: number) {
    this.request = request;
    this.clock = clock;
    this.list = list;
    this.durationMs = durationMs;
    this.deadline = new Deadline(this);
    list.arm(this.deadline, request.receivedAtMs);
  }

  disarm(): void {
    this.deadline.disarm();
  }

  onDeadline(): void {
    const { attempts, body } = this.request;
    const nowMs = this.clock.now();
    const sinceMs = this.request.answerableSinceMs(this.seenBytes) ?? nowMs;
    if (sinceMs + this.durationMs > nowMs) {
      this.seenBytes = body.received;
      this.list.arm(this.deadline, sinceMs);
      return;
    }
    const endpoint = attempts.at(-1)?.endpoint;
    this.request.abort(
      new ProxyError('PF_TIMEOUT', `no answer within ${this.durationMs} ms, in ${attempts.length} attempts`, {
        requestSent: attempts.length > 0,
        ...(endpoint === undefined ? {} : { endpoint }),
      }),
    );
  }
}

/** The deadline as a layer of its own, for routes that have another one than their upstream (`retry` has that built in). */
export function deadline(durationMs: number, clock: Clock, lists: DeadlineLists): Layer {
  const list = lists.of(durationMs);
  return (next) => async (request) => {
    const armed = new RequestDeadline(request, clock, list, durationMs);
    try {
      return await next(request);
    } finally {
      armed.disarm();
    }
  };
}
