// Where requests are forwarded to, and what all attempts on it share.
import type { Picker, PickResult } from '../balancer/picker.ts';
import type { ProxyError } from '../errors.ts';
import type { ProxyRequest } from '../http/message.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineList, DeadlineLists } from '../util/deadline-list.ts';
import type { Subset } from '../util/labels.ts';
import { Announcer } from './announce.ts';
import type { AttemptObserver } from './attempt-observer.ts';
import type { Decisions } from './decisions.ts';
import type { Endpoint } from './endpoint.ts';
import type { HangWatch } from './hang-watch.ts';
import type { UpstreamOptions } from './options.ts';
import type { EjectionCause } from './outlier.ts';
import type { Outlook } from './outlook.ts';
import type { PickQueue } from './pick-queue.ts';
import type { UpstreamLoad } from './upstream-load.ts';

/** An `Upstream` is one, our own app another (`app.ts`). */
export interface ForwardTarget {
  readonly options: UpstreamOptions;
  readonly picker: Picker<Endpoint>;
  /** Of one part of it, instead of `picker`. */
  pickerFor(subset: Subset): Picker<Endpoint>;
  readonly queue: PickQueue;
  /** What is under way, and how much may be. */
  readonly load: UpstreamLoad;
  /** Notices endpoints that have stopped answering; undefined: nobody does. */
  readonly hangs: HangWatch | undefined;
  /** What meets a closed connection is sent again where it can be repeated, whatever `options.retry` says. */
  readonly resendsStale?: true;
  /** Where noteworthy picks and retries are noted; undefined: nowhere. */
  readonly decisions?: Decisions;
  /** What another try could hope for. */
  readonly outlook: Pick<Outlook, 'failingForMs' | 'hasOtherThan'>;
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
  /** Undefined: the other side is told nothing that sidecars tell each other. */
  readonly announcer: Announcer | undefined;
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
    this.announcer = to === undefined ? undefined : new Announcer(to, timeout.attemptMs);
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

  /** From the part of the target that the request is for. */
  pick(request: ProxyRequest): PickResult<Endpoint> {
    const { target } = this;
    return (request.subset === undefined ? target.picker : target.pickerFor(request.subset)).pick(request);
  }
}
