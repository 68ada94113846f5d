// Asks an endpoint whether it still answers anything at all: what tells a slow answer from a process that has stopped.
import { ProxyError } from '../errors.ts';
import { Body } from '../http/body.ts';
import type { ClientConnection, Exchange, ExchangeReceiver } from '../http/exchange.ts';
import { Headers } from '../http/headers.ts';
import { ProxyRequest, type ProxyResponse } from '../http/message.ts';
import type { Clock, Timer } from '../util/clock.ts';
import { discard } from './discard.ts';
import type { Endpoint } from './endpoint.ts';
import type { ConnectionWaiter } from './pool.ts';

/** `unknown`: nothing follows from it, since a connection was refused, or our own limit on connections was reached. */
export type Liveness = 'answers' | 'silent' | 'unknown';

/**
 * `OPTIONS *` on a connection of its own (RFC 9110 §9.3.7: "a ping or no-op type of method that does nothing"). Any answer
 * will do, of whatever status, and so does a closed connection: a process that has stopped does neither, although its
 * kernel goes on accepting connections.
 */
export class LivenessProbe implements ConnectionWaiter, ExchangeReceiver {
  private readonly endpoint: Endpoint;
  private readonly clock: Clock;
  private readonly limitMs: number;
  private readonly done: (liveness: Liveness) => void;
  private timer: Timer | undefined = undefined;
  private exchange: Exchange | undefined = undefined;
  /** Since `limitMs` ago, or less. */
  private wasAsked = false;
  private isOver = false;

  /** @param done told once, after at most about twice `limitMs`; not at all where `cancel` came first. */
  constructor(endpoint: Endpoint, clock: Clock, limitMs: number, done: (liveness: Liveness) => void) {
    this.endpoint = endpoint;
    this.clock = clock;
    this.limitMs = limitMs;
    this.done = done;
  }

  /** Asks. `done` may be told before this returns. */
  start(): void {
    this.timer = this.clock.setTimer(this.limitMs, this.onLimit);
    this.endpoint.pool.acquire(this, 'fresh', this.clock.now());
    this.wasAsked = this.isAsked;
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer?.cancel();
    this.endpoint.pool.abandon(this);
    const { address } = this.endpoint;
    this.exchange?.cancel(new ProxyError('PF_TIMEOUT', `endpoint ${address}: it was asked whether it lives, in vain`));
  }

  onConnection(connection: ClientConnection): void {
    const { address } = this.endpoint;
    const request = new ProxyRequest({
      direction: 'outbound',
      method: 'OPTIONS',
      scheme: 'http',
      authority: address,
      path: '*',
      query: '',
      httpVersion: 11,
      headers: Headers.of(['Host', address], ['User-Agent', 'pilotfish-health']),
      body: Body.empty,
      peer: '',
      receivedAtMs: this.clock.now(),
    });
    this.exchange = connection.send(request, request.body, this);
  }

  onConnectFailed({ code, cause }: ProxyError): void {
    this.settle(code === 'PF_CONNECT_FAILED' && isUnreached(cause) ? 'silent' : 'unknown');
  }

  onInformational(): void {}

  onResponse(response: ProxyResponse): void {
    this.exchange = undefined;
    this.settle('answers');
    discard(response.body, this.clock);
  }

  onFailed(error: ProxyError): void {
    this.exchange = undefined;
    this.settle(error.requestSent === false ? 'unknown' : 'answers');
  }

  onEnd(): void {}

  /** A dial of its own is on the way, or the question: it is the endpoint's turn. */
  private get isAsked(): boolean {
    return this.exchange !== undefined || this.endpoint.pool.isDialingFor(this);
  }

  private readonly onLimit = (): void => {
    if (!this.isAsked) {
      this.settle('unknown');
    } else if (this.wasAsked) {
      this.settle('silent');
    } else {
      // Part of that time went by in our own pool: the endpoint has all of it once more.
      this.wasAsked = true;
      this.timer = this.clock.setTimer(this.limitMs, this.onLimit);
    }
  };

  private settle(liveness: Liveness): void {
    if (this.isOver) return;
    this.cancel();
    this.done(liveness);
  }
}

const UNREACHED: ReadonlySet<unknown> = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ETIMEDOUT']);

/** Nobody answered the handshake; without a cause it took longer than allowed. A refusal is an answer of a kind. */
function isUnreached(cause: unknown): boolean {
  return cause === undefined || (cause instanceof Error && UNREACHED.has((cause as NodeJS.ErrnoException).code));
}
