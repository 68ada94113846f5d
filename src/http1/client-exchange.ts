// HOT PATH. One request sent on a client connection and its answer: content out, answer in, the end told once.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ProxyError } from '../errors.ts';
import { Body, type BodySource } from '../http/body.ts';
import type { Exchange, ExchangeReceiver } from '../http/exchange.ts';
import { ProxyResponse, type ProxyRequest } from '../http/message.ts';
import { flushAtEndOfTurn, type Flushable } from '../util/end-of-turn.ts';
import {
  acceptOptions,
  CONTENT_CHUNKED,
  CONTENT_TO_END,
  CONTENT_TUNNEL,
  contentOf,
  isPersistent,
  keepAliveMs,
} from './accept-response.ts';
import { BodyWriter, type BodyWriterOwner } from './body-writer.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import type { ClientOptions } from './client-options.ts';
import { RESPONSE_HEAD } from './head-reader.ts';
import { joinWhole, MAX_JOINED_BYTES, pieceOf } from './whole.ts';
import { requestFraming } from './request-framing.ts';
import { FRAMING_CLOSE, requestHead } from './serialize.ts';

/** More informational answers than this before the answer are a flood. */
const MAX_INFORMATIONAL = 16;

/** What an exchange tells its connection. */
export interface ClientExchangeOwner {
  readonly socket: Socket;
  readonly options: ClientOptions;
  /** Both directions have ended well, at `nowMs`. `keepAliveMs`: 0 = never use it again, undefined = nothing was announced. */
  onExchangeEnd(isReusable: boolean, keepAliveMs: number | undefined, nowMs: number): void;
  /** The connection is of no further use, and what was sent must not look complete. */
  onExchangeBroken(): void;
  pauseBody(): void;
  resumeBody(): void;
}

export class ClientExchange implements Exchange, BodySource, BodyWriterOwner, Flushable {
  /** True once the head of the answer was read. */
  hasAnswer = false;
  private readonly owner: ClientExchangeOwner;
  private readonly request: ProxyRequest;
  private readonly content: Body;
  private readonly receiver: ExchangeReceiver;
  private writer: BodyWriter | undefined = undefined;
  /** A small request that goes out at the end of this turn of the loop. */
  private unsent: string | undefined = undefined;
  private hasSentWhole = false;
  private isSent = false;
  private sentBefore = 0;
  private informational = 0;
  private response: ProxyResponse | undefined = undefined;
  private body: Body | undefined = undefined;
  private left = 0;
  private chunked: ChunkedDecoder | undefined = undefined;
  private isReusable = false;
  private keepAliveMs: number | undefined = undefined;
  private isAnswerDone = false;
  private isDelivered = false;
  private isOver = false;

  constructor(owner: ClientExchangeOwner, request: ProxyRequest, content: Body, receiver: ExchangeReceiver) {
    this.owner = owner;
    this.request = request;
    this.content = content;
    this.receiver = receiver;
  }

  /** True once the instance may have seen some of the request. */
  get hasSentBytes(): boolean {
    return this.hasSentWhole || this.writer?.hasWritten === true;
  }

  /** True while content is awaited that somebody wants. */
  get isBodyWanted(): boolean {
    return this.body !== undefined && !this.isAnswerDone && !this.body.wantsNothing;
  }

  /** True while the reader of the answer's content asks for none. */
  get isBodyUnwanted(): boolean {
    return this.body !== undefined && !this.isAnswerDone && this.body.wantsNothing;
  }

  /** True where the answer said how long it is: silence is a stall then. */
  get isAnnounced(): boolean {
    return this.response?.isTunnel !== true && this.response?.body.length !== undefined;
  }

  start(): void {
    const { request, content, owner } = this;
    const { socket } = owner;
    if (!socket.writable) {
      flushAtEndOfTurn(this);
      return;
    }
    const framing = requestFraming(request, content);
    const head = requestHead(request, framing);
    const whole = (request.isUpgrade ? Body.empty : content).takeWhole(MAX_JOINED_BYTES);
    if (whole === undefined) {
      this.writer = new BodyWriter(socket, content, framing, this);
      this.writer.start(head);
      return;
    }
    this.unsent = joinWhole(head, whole, framing);
    flushAtEndOfTurn(this);
  }

  flush(): void {
    if (this.isOver) return;
    const { socket } = this.owner;
    if (!socket.writable || this.unsent === undefined) {
      this.onGone(undefined);
      return;
    }
    this.isSent = !this.request.isUpgrade;
    socket.write(this.unsent, 'latin1');
    this.unsent = undefined;
    // A write that fails at once, over plain TCP, has sent nothing.
    this.hasSentWhole = socket.errored === null || socket instanceof TLSSocket;
  }

  cancel(reason: ProxyError): void {
    this.fail(reason);
  }

  /** The head of an answer is in RESPONSE_HEAD. @returns false where it was informational. @throws ProxyError. */
  onHead(): boolean {
    const head = RESPONSE_HEAD;
    const { request } = this;
    const options = acceptOptions(head);
    const content = contentOf(head, request.method, request.isUpgrade, options);
    if (head.status < 200 && head.status !== 101) {
      if (++this.informational > MAX_INFORMATIONAL) throw head.fail('a flood of informational answers');
      this.receiver.onInformational(head.status, head.headers);
      return false;
    }
    this.hasAnswer = true;
    this.keepAliveMs = keepAliveMs(head);
    this.isReusable = isPersistent(head, options) && this.keepAliveMs !== 0 && content !== CONTENT_TO_END;
    if (content === 0) {
      this.isAnswerDone = true;
      this.body = Body.empty;
    } else {
      const isTunnel = content === CONTENT_TUNNEL;
      this.body = new Body(this, content > 0 ? content : undefined);
      this.left = content > 0 ? content : Number.POSITIVE_INFINITY;
      if (content === CONTENT_CHUNKED) this.chunked = new ChunkedDecoder(this.owner.options.limits, head);
      if (isTunnel) this.isReusable = false;
    }
    this.response = new ProxyResponse(head.status, head.headers, this.body, undefined, head.reason);
    this.response.isTunnel = content === CONTENT_TUNNEL;
    return true;
  }

  /** Content from the socket, its last bytes only where none stand behind them. @returns the offset behind it. @throws ProxyError. */
  feed(chunk: Buffer, offset: number): number {
    const { body } = this;
    if (body === undefined || this.isAnswerDone || offset === chunk.length) return offset;
    if (this.chunked !== undefined) {
      const end = this.chunked.feed(chunk, offset, body);
      if (this.chunked.isDone) this.isAnswerDone = true;
      return end;
    }
    const bytes = chunk.length - offset;
    if (bytes > this.left) throw RESPONSE_HEAD.fail('there are bytes behind the answer');
    body.push(pieceOf(chunk, offset, chunk.length, bytes === this.left && !this.isDelivered));
    this.left -= bytes;
    if (this.left === 0) this.isAnswerDone = true;
    return chunk.length;
  }

  /** All that came in this turn belongs to the answer: hands it on. */
  deliver(): void {
    const { body, response } = this;
    if (body === undefined || response === undefined || this.isOver) return;
    if (this.isAnswerDone) body.end(this.chunked?.trailers);
    const nowMs = this.owner.options.clock.now();
    if (!this.isDelivered) {
      this.isDelivered = true;
      this.request.answeredAtMs = nowMs;
      this.receiver.onResponse(response);
      if (response.isTunnel) this.openTunnel();
    }
    this.settle(nowMs);
  }

  /** The peer has closed its direction. `hasBegun`: part of a head had come. */
  onPeerEnd(hasBegun: boolean): void {
    if (this.isOver) return;
    const { body } = this;
    if (body !== undefined && this.left === Number.POSITIVE_INFINITY && this.chunked === undefined) {
      if (this.response?.isTunnel === true) this.endAnswer();
      else this.owner.socket.write(NOTHING, (error) => (error ? this.onGone(error) : this.endAnswer()));
      return;
    }
    this.fail(
      hasBegun
        ? RESPONSE_HEAD.fail('the instance closed the connection within the head of its answer')
        : this.closed(undefined),
    );
  }

  /** True where a tunnel has sent something since this was last asked. */
  hasSentSince(): boolean {
    const sent = this.writer?.sentBytes ?? 0;
    const hasSent = this.response?.isTunnel === true && sent !== this.sentBefore;
    this.sentBefore = sent;
    return hasSent;
  }

  /** The connection is gone. */
  onGone(cause: Error | undefined): void {
    this.fail(this.closed(cause));
  }

  /** It cannot go on, for whatever reason. The receiver, or the reader of the answer, hears of it. */
  fail(error: ProxyError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.writer?.stop(error);
    this.owner.onExchangeBroken();
    if (this.isDelivered) this.body?.fail(error);
    else this.receiver.onFailed(error);
    this.receiver.onEnd({ error, receivedBytes: this.body?.received ?? 0, endedAtMs: this.owner.options.clock.now() });
  }

  onDrain(): void {
    this.writer?.onDrain();
  }

  pauseBody(): void {
    this.owner.pauseBody();
  }

  resumeBody(): void {
    if (!this.isOver) this.owner.resumeBody();
  }

  /** Nobody wants the rest of the answer. */
  cancelBody(reason: ProxyError): void {
    this.fail(reason);
  }

  onWritten(_writer: BodyWriter, error: ProxyError | undefined): void {
    if (error !== undefined) {
      this.fail(error);
      return;
    }
    this.isSent = true;
    if (this.response?.isTunnel === true) this.owner.socket.end();
    this.settle();
  }

  onBlocked(): void {
    // A peer that does not read is seen by the deadline of the attempt, or by that of the client.
  }

  private endAnswer(): void {
    if (this.isOver) return;
    this.isAnswerDone = true;
    this.body?.end(undefined);
    this.settle();
  }

  private openTunnel(): void {
    if (this.isOver) return;
    this.writer = new BodyWriter(this.owner.socket, this.content, FRAMING_CLOSE, this);
    this.writer.start('');
  }

  /** Ends the exchange when both directions have ended. An answer that is complete ends the sending, too. */
  private settle(nowMs = this.owner.options.clock.now()): void {
    if (!this.isAnswerDone || this.isOver || !this.isDelivered) return;
    if (!this.isSent) {
      if (this.response?.isTunnel === true) return;
      this.isReusable = false;
      this.writer?.stop(new ProxyError('PF_UPSTREAM_CLOSED', 'the answer was complete before the request'));
    }
    this.isOver = true;
    this.receiver.onEnd({ error: undefined, receivedBytes: this.body?.received ?? 0, endedAtMs: nowMs });
    this.owner.onExchangeEnd(this.isReusable, this.keepAliveMs, nowMs);
  }

  private closed(cause: Error | undefined): ProxyError {
    return new ProxyError('PF_UPSTREAM_CLOSED', 'the instance closed the connection before its answer was complete', {
      requestSent: this.hasSentBytes,
      endpoint: this.owner.options.endpoint,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/**
 * Written behind content that ends with its connection. A reset that comes together with content is an end to Node (libuv
 * takes the hang-up for one): writing nothing fails then, and sends nothing otherwise.
 */
const NOTHING = Buffer.alloc(0);
