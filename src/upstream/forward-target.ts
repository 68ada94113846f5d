// Where requests are forwarded to, and what all attempts on it share.
import type { Picker } from '../balancer/picker.ts';
import type { ProxyError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineList, DeadlineLists } from '../util/deadline-list.ts';
import type { AttemptObserver } from './attempt-observer.ts';
import type { Endpoint } from './endpoint.ts';
import type { UpstreamOptions } from './options.ts';
import type { EjectionCause } from './outlier.ts';
import type { PickQueue } from './pick-queue.ts';

/** An `Upstream` is one, our own app another (`app.ts`). */
export interface ForwardTarget {
  readonly options: UpstreamOptions;
  readonly picker: Picker<Endpoint>;
  readonly queue: PickQueue;
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
  readonly deadlines: DeadlineList | undefined;
  readonly observer: AttemptObserver | undefined;
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
    this.deadlines = timeout.attemptMs > 0 ? deadlines.of(timeout.attemptMs) : undefined;
    this.lastAttempt = Math.max(2, retry.attempts);
  }
}
