// Where requests are forwarded to, and what all attempts on it share.
import type { Picker, PickResult } from '../balancer/picker.ts';
import type { ProxyError } from '../errors.ts';
import type { ProxyRequest } from '../http/message.ts';
import { FIELD } from '../http/field.ts';
import type { Headers } from '../http/headers.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineList, DeadlineLists } from '../util/deadline-list.ts';
import type { Subset } from '../util/labels.ts';
import type { AttemptObserver } from './attempt-observer.ts';
import type { Decisions } from './decisions.ts';
import type { Endpoint } from './endpoint.ts';
import type { HangWatch } from './hang-watch.ts';
import type { UpstreamOptions } from './options.ts';
import type { EjectionCause } from './outlier.ts';
import type { PickQueue } from './pick-queue.ts';

const ID_TO = FIELD['x-pilotfish-to'];

/** An `Upstream` is one, our own app another (`app.ts`). */
export interface ForwardTarget {
  readonly options: UpstreamOptions;
  readonly picker: Picker<Endpoint>;
  /** Of one part of it, instead of `picker`. */
  pickerFor(subset: Subset): Picker<Endpoint>;
  readonly queue: PickQueue;
  /** Notices endpoints that have stopped answering; undefined: nobody does. */
  readonly hangs: HangWatch | undefined;
  /** Where noteworthy picks and retries are noted; undefined: nowhere. */
  readonly decisions?: Decisions;
  /** Nobody could be picked. */
  unavailable(reason: string): ProxyError;
  /** A registered sidecar gave a reason not to use its endpoint for a while. */
  eject(endpoint: Endpoint, cause: EjectionCause): void;
  /** The error that a caller is given for a failed attempt. */
  asSeenByCaller(error: ProxyError): ProxyError;
}

/** What all attempts of one target share. */
export class Forwarder {
  readonly target: ForwardTarget;
  /** What `x-pilotfish-to` is set to; undefined: it is left alone. */
  readonly to: string | undefined;
  readonly clock: Clock;
  readonly observer: AttemptObserver | undefined;
  private readonly lists: DeadlineLists;
  private readonly deadlines: DeadlineList | undefined;
  private patience: DeadlineList | undefined = undefined;
  private patienceMs = 0;
  /** This one, and any after it, gets a connection on which nothing was sent yet. */
  readonly lastAttempt: number;

  constructor(
    target: ForwardTarget,
    to: string | undefined,
    clock: Clock,
    deadlines: DeadlineLists,
    observer: AttemptObserver | undefined,
  ) {
    const { timeout, retry } = target.options;
    this.target = target;
    this.to = to;
    this.clock = clock;
    this.observer = observer;
    this.lists = deadlines;
    this.deadlines = timeout.attemptMs > 0 ? deadlines.of(timeout.attemptMs) : undefined;
    this.lastAttempt = Math.max(2, retry.attempts);
  }

  /** Of attempts that look after their endpoint when `patienceMs` are over; 0: at the end of their time, if that has one. */
  deadlinesFor(patienceMs: number): DeadlineList | undefined {
    if (patienceMs === 0) return this.deadlines;
    if (patienceMs !== this.patienceMs || this.patience === undefined) {
      this.patienceMs = patienceMs;
      this.patience = this.lists.of(patienceMs);
    }
    return this.patience;
  }

  /** Says in a request whom it is for. */
  address(headers: Headers): void {
    if (this.to === undefined) return;
    if (headers.hasId(ID_TO)) headers.delete('x-pilotfish-to');
    headers.append('X-Pilotfish-To', this.to, ID_TO);
  }

  /** From the part of the target that the request is for. */
  pick(request: ProxyRequest): PickResult<Endpoint> {
    const { target } = this;
    return (request.subset === undefined ? target.picker : target.pickerFor(request.subset)).pick(request);
  }
}
