// HOT PATH. The client side of one HTTP/1 connection: one exchange at a time, and a close eye on what it does between two.
import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { Body } from '../http/body.ts';
import { REUSE_SHARE } from '../http/exchange.ts';
import type { ClientConnection, ConnectionOwner, Exchange, ExchangeReceiver } from '../http/exchange.ts';
import type { ProxyRequest } from '../http/message.ts';
import { Deadline, type DeadlineOwner } from '../util/deadline-list.ts';
import { ClientExchange, type ClientExchangeOwner } from './client-exchange.ts';
import type { ClientOptions } from './client-options.ts';
import { HeadReader, RESPONSE_HEAD } from './head-reader.ts';
import { reset } from './reset.ts';
import { own, type SocketOwner } from './socket-events.ts';

/** Owns a connected socket (`noDelay` set by whoever connected): writes requests, reads answers, and destroys it at the first doubt. */
export class Http1ClientConnection implements ClientConnection, SocketOwner, ClientExchangeOwner, DeadlineOwner {
  readonly socket: Socket;
  readonly options: ClientOptions;
  used = 0;
  idleMs = 0;
  private readonly owner: ConnectionOwner;
  private readonly deadline: Deadline;
  private reader: HeadReader | undefined = undefined;
  private exchange: ClientExchange | undefined = undefined;
  private isOpen = true;
  private isClosing = false;
  private isPaused = false;
  /** Monotonic ms from which on the peer may be closing; 0 = it said nothing. */
  private usableUntilMs = 0;

  constructor(socket: Socket, owner: ConnectionOwner, options: ClientOptions) {
    this.socket = socket;
    this.owner = owner;
    this.options = options;
    this.deadline = new Deadline(this);
    own(socket, this);
  }

  get capacity(): number {
    return this.isOpen && !this.isClosing && this.exchange === undefined ? 1 : 0;
  }

  get isUsable(): boolean {
    if (!this.isOpen || this.isClosing || !this.socket.writable) return false;
    return this.usableUntilMs === 0 || this.options.clock.now() < this.usableUntilMs;
  }

  send(request: ProxyRequest, body: Body, receiver: ExchangeReceiver): Exchange {
    const exchange = new ClientExchange(this, request, body, receiver);
    this.exchange = exchange;
    this.used++;
    exchange.start();
    return exchange;
  }

  close(): void {
    this.isClosing = true;
    if (this.exchange === undefined) this.shut();
  }

  destroy(reason: ProxyError): void {
    if (this.exchange === undefined) this.shut();
    else this.exchange.fail(reason);
  }

  read(chunk: Buffer): void {
    const { exchange } = this;
    if (exchange?.hasSentBytes !== true) {
      // Nobody has asked yet: it must not be taken for the answer.
      if (exchange === undefined) this.shut();
      else exchange.onGone(undefined);
      return;
    }
    const wasUnwanted = exchange.isBodyUnwanted;
    try {
      let offset = 0;
      while (!exchange.hasAnswer) {
        this.reader ??= new HeadReader();
        offset = this.reader.readResponse(chunk, offset, this.options.limits);
        if (offset < 0 || (!exchange.onHead() && offset === chunk.length)) return;
        if (this.exchange !== exchange) return;
      }
      offset = exchange.feed(chunk, offset);
      if (offset < chunk.length) throw RESPONSE_HEAD.fail('there are bytes behind the answer');
    } catch (error) {
      exchange.fail(this.blame(error));
      return;
    }
    exchange.deliver();
    if (this.exchange !== exchange) return;
    this.armWait(exchange);
    // A reader that comes in this very turn of the loop does not toggle the socket: only two chunks in a row do.
    if (wasUnwanted && exchange.isBodyUnwanted) this.pause();
  }

  ended(): void {
    this.isClosing = true;
    if (this.exchange === undefined) this.shut();
    else this.exchange.onPeerEnd(this.reader?.hasBegun === true);
  }

  drained(): void {
    this.exchange?.onDrain();
  }

  gone(cause: Error | undefined): void {
    this.exchange?.onGone(cause);
    this.shut();
  }

  onDeadline(): void {
    if (this.exchange?.hasSentSince() === true) {
      this.armWait(this.exchange);
      return;
    }
    const message = 'the instance sent nothing for too long, in the middle of its answer';
    this.exchange?.fail(new ProxyError('PF_TIMEOUT', message, { requestSent: true, endpoint: this.options.endpoint }));
  }

  onExchangeEnd(isReusable: boolean, keepAliveMs: number | undefined, nowMs: number): void {
    this.exchange = undefined;
    this.deadline.disarm();
    if (!isReusable || this.isClosing || !this.isOpen) {
      this.shut();
      return;
    }
    this.resume();
    this.usableUntilMs = keepAliveMs === undefined ? 0 : nowMs + keepAliveMs * REUSE_SHARE;
    this.owner.onAvailable(this, nowMs);
  }

  onExchangeBroken(): void {
    this.exchange = undefined;
    // The instance hears at once that nobody waits for its answer, and that what it has is no whole request.
    reset(this.socket);
    this.shut();
  }

  pauseBody(): void {
    this.deadline.disarm();
  }

  resumeBody(): void {
    if (this.exchange === undefined) return;
    this.resume();
    this.armWait(this.exchange);
  }

  private shut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.isClosing = true;
    this.deadline.disarm();
    this.reader = undefined;
    this.socket.destroy();
    this.owner.onClosed(this);
  }

  private armWait(exchange: ClientExchange): void {
    const { options } = this;
    const waitMs = exchange.isBodyWanted ? (exchange.isAnnounced ? options.stallMs : options.idleMs) : 0;
    if (waitMs > 0) options.deadlines.of(waitMs).arm(this.deadline, options.clock.now());
    else this.deadline.disarm();
  }

  private blame(error: unknown): ProxyError {
    if (error instanceof ProxyError) {
      const { endpoint } = this.options;
      return new ProxyError(error.code, error.message, { cause: error.cause, requestSent: true, endpoint });
    }
    return new ProxyError('PF_INTERNAL', 'an answer could not be read', { cause: error, requestSent: true });
  }

  private pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.socket.pause();
  }

  private resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.socket.resume();
  }
}
