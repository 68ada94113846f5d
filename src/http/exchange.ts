// The seam between `upstream/` and the client side of each codec: one request sent, one answer received, on one connection.
import type { ProxyError } from '../errors.ts';
import type { Body } from './body.ts';
import type { Headers } from './headers.ts';
import type { ProxyRequest, ProxyResponse } from './message.ts';

/**
 * Part of a peer's idle time (announced, or observed) in which its connections are used again: it may be closing one already
 * after that.
 */
export const REUSE_SHARE = 0.8;

/** How an exchange ended, told once, when both directions have ended, failed or been abandoned. */
export interface ExchangeEnd {
  /** Undefined: the answer was complete and valid. */
  readonly error: ProxyError | undefined;
  /** Bytes of content in the answer. */
  readonly receivedBytes: number;
  /** Monotonic ms. */
  readonly endedAtMs: number;
}

/** Who sent a request. Calls come in this order: `onInformational`*, then `onResponse` or `onFailed` once, then `onEnd` once. */
export interface ExchangeReceiver {
  onInformational(status: number, headers: Headers): void;
  /** The head of the answer is here; its body may already be complete. */
  onResponse(response: ProxyResponse): void;
  /** No answer came. `error.requestSent` is false only where not one byte was written. */
  onFailed(error: ProxyError): void;
  /** After `onResponse`: both directions are done. After `onFailed`: at once. */
  onEnd(end: ExchangeEnd): void;
}

/** A request in flight. */
export interface Exchange {
  /** Gives it up: the connection is closed (HTTP/1) or the stream reset (HTTP/2), and the receiver hears `reason` unless it has its end already. */
  cancel(reason: ProxyError): void;
}

/** An open connection to an endpoint, owned by a pool. */
export interface ClientConnection {
  /** How many more exchanges it takes right now: 0 or 1 for HTTP/1. 0 for good once it will be closed. */
  readonly capacity: number;
  /** Exchanges that were started on it. */
  readonly used: number;
  /** For how many ms it had been idle when it was used last. Written by its pool. */
  idleMs: number;
  /** True while the peer can be expected to read: not ended, not reset, nothing unasked received, its announced idle time not nearly over. */
  readonly isUsable: boolean;
  /**
   * Sends `request` with `body` (the request's own, or a replay of it). Never throws: failures go to the receiver.
   * Only with `capacity` > 0.
   */
  send(request: ProxyRequest, body: Body, receiver: ExchangeReceiver): Exchange;
  /** Takes nothing new, ends when its exchanges have ended. */
  close(): void;
  /** Ends now; its exchanges fail. */
  destroy(reason: ProxyError): void;
}

/** What a pool hears from its connections. */
export interface ConnectionOwner {
  /** Capacity grew: an exchange has ended, at `nowMs` (monotonic), and the connection can be used again. */
  onAvailable(connection: ClientConnection, nowMs: number): void;
  /** It is gone, for whatever reason; told once. */
  onClosed(connection: ClientConnection): void;
}
