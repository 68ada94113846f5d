// The seam between a listener and the server side of each codec: what a connection needs to serve requests.
import type { ProxyError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';
import type { PathLooseness, WireLimits } from './limits.ts';
import type { Direction, Handler, ProxyRequest, ProxyResponse } from './message.ts';

/** How a request ended on the client's side, told once, after the last byte of the answer was written or could not be. */
export interface DownstreamEnd {
  /** The answer whose head was sent; undefined where none was (the client had gone). */
  readonly response: ProxyResponse | undefined;
  /** Set where the answer did not end whole: `PF_CLIENT_CLOSED`, or what broke the upstream's body. */
  readonly error: ProxyError | undefined;
  /** Bytes of content, without heads and framing. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Monotonic ms. */
  readonly endedAtMs: number;
}

/** Milliseconds; 0 = none. */
export interface DownstreamTimeouts {
  /** From the first byte of a head to its end; 408. */
  readonly headMs: number;
  /** A connection with no request on it, also before its first. */
  readonly idleMs: number;
  /** A request body that was announced, a reader that wants it, and nothing comes; 408. */
  readonly stallMs: number;
  /** A client that does not read its answer. */
  readonly writeStallMs: number;
}

/** Everything that a server connection is given; one for each listener, shared by its connections. */
export interface ServingContext {
  readonly direction: Direction;
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  readonly limits: WireLimits;
  readonly paths: PathLooseness;
  readonly timeouts: DownstreamTimeouts;
  /** True while the listener is about to end: answers then end their connection (`Connection: close`, GOAWAY). */
  readonly endsConnections: boolean;
  /** The stack. May reject: `rescue` makes the answer then. */
  readonly handle: Handler;
  /** Makes an answer of anything that was thrown. Never throws. `request` is undefined for a message that was no valid request. */
  rescue(error: unknown, request: ProxyRequest | undefined): ProxyResponse;
  /** Runs the completion hooks (access log, metrics, …); never throws. */
  complete(request: ProxyRequest, end: DownstreamEnd): void;
  /** A message that was refused before it became a request, after its answer was written. */
  refused(error: ProxyError, peer: string, sentBytes: number): void;
}
