// HOT PATH. The deadline of a whole request, to its answer's head: all attempts, waits and layers inside it together.
import { ProxyError } from '../errors.ts';
import type { Layer, ProxyRequest } from '../http/message.ts';
import { Deadline, type DeadlineList, type DeadlineLists, type DeadlineOwner } from '../util/deadline-list.ts';

/** Aborts a request with PF_TIMEOUT when its time is over. */
export class RequestDeadline implements DeadlineOwner {
  private readonly request: ProxyRequest;
  private readonly durationMs: number;
  private readonly deadline: Deadline;

  /** Armed from the start, `durationMs` from when the request was received. */
  constructor(request: ProxyRequest, list: DeadlineList, durationMs: number) {
    this.request = request;
    this.durationMs = durationMs;
    this.deadline = new Deadline(this);
    list.arm(this.deadline, request.receivedAtMs);
  }

  disarm(): void {
    this.deadline.disarm();
  }

  onDeadline(): void {
    const { attempts } = this.request;
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
export function deadline(durationMs: number, lists: DeadlineLists): Layer {
  const list = lists.of(durationMs);
  return (next) => async (request) => {
    const armed = new RequestDeadline(request, list, durationMs);
    try {
      return await next(request);
    } finally {
      armed.disarm();
    }
  };
}
