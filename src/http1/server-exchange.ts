// HOT PATH. One request on a server connection and its answer: content in, answer out, the end told once.
import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { Body } from '../http/body.ts';
import type { Headers } from '../http/headers.ts';
import { part } from '../http/lease.ts';
import type { ProxyResponse } from '../http/message.ts';
import { type ProxyRequest } from '../http/message.ts';
import type { ServingContext } from '../http/serving.ts';
import { Deadline, type DeadlineOwner } from '../util/deadline-list.ts';
import { clientClosed, type AcceptedRequest } from './accept-request.ts';
import { answerFraming, connectionField, isBodyless } from './answer-framing.ts';
import { BodyWriter, type BodyWriterOwner } from './body-writer.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { REQUEST_HEAD } from './head-reader.ts';
import { FRAMING_CLOSE, FRAMING_NONE, informationalHead, responseHead } from './serialize.ts';
import { answerOptions, CONTINUE } from './own-answers.ts';
import { joinWhole, MAX_JOINED_BYTES, pieceOf } from './whole.ts';

/** What an exchange tells its connection. */
export interface ServerExchangeOwner {
  readonly socket: Socket;
  readonly context: ServingContext;
  /** True where the connection may not be used again after this answer. */
  readonly isClosing: boolean;
  /** The answer is out, at `nowMs`. `isReusable`: both sides know where the next message begins. */
  onExchangeEnd(isReusable: boolean, nowMs: number): void;
  /** What was sent must not look complete: the connection is reset. */
  onExchangeBroken(): void;
  /** The client was told to go on sending. */
  onContinue(): void;
  /** Writes `text`, together with what else this turn of the loop produces. */
  send(text: string): void;
  /** What was collected and has to go out before anything else. */
  takeOutgoing(): string;
  /** From now on raw bytes are fed. */
  onTunnelOpen(exchange: ServerExchange): void;
}

export class ServerExchange implements BodyWriterOwner, DeadlineOwner {
  readonly request: ProxyRequest;
  /** True once the request has been read to its end. */
  isInputDone: boolean;
  /** True once the head of the answer was written. */
  hasAnswered = false;
  /** True once raw bytes flow both ways. */
  isTunnel = false;
  /** True while the client may rightly be silent: it waits for a 100. */
  expectsContinue: boolean;
  private readonly owner: ServerExchangeOwner;
  private readonly body: Body;
  private readonly isPersistent: boolean;
  /** Content-Length not yet received. */
  private left: number;
  private readonly chunked: ChunkedDecoder | undefined;
  private response: ProxyResponse | undefined = undefined;
  private writer: BodyWriter | undefined = undefined;
  private writeStall: Deadline | undefined = undefined;
  private mayReuse = false;
  private sentBytes = 0;
  private isOver = false;

  constructor(owner: ServerExchangeOwner, accepted: AcceptedRequest, contentLength: number, isChunked: boolean) {
    this.owner = owner;
    this.request = accepted.request;
    this.body = this.request.body;
    this.isPersistent = accepted.isPersistent;
    this.expectsContinue = accepted.expectsContinue;
    this.left = Math.max(0, contentLength);
    this.chunked = isChunked ? new ChunkedDecoder(owner.context.limits, REQUEST_HEAD) : undefined;
    this.isInputDone = this.left === 0 && !isChunked;
    if (this.request.httpVersion === 11) this.request.onInformational = this.onInformational;
  }

  /** True while the reader of the content asks for none. */
  get isBodyUnwanted(): boolean {
    return !this.isInputDone && this.body.wantsNothing;
  }

  /** Content from the socket. @returns the offset behind it. @throws ProxyError where its framing is broken. */
  feed(chunk: Buffer, offset: number): number {
    this.expectsContinue = false;
    if (this.isTunnel) {
      this.body.push(part(chunk, offset, chunk.length));
      return chunk.length;
    }
    if (this.chunked !== undefined) {
      const end = this.chunked.feed(chunk, offset, this.body);
      if (this.chunked.isDone) this.endInput(this.chunked.trailers);
      return end;
    }
    const end = Math.min(chunk.length, offset + this.left);
    const isWhole = end - offset === this.left && this.body.received === 0;
    this.left -= end - offset;
    this.body.push(pieceOf(chunk, offset, end, isWhole));
    if (this.left === 0) this.endInput(undefined);
    return end;
  }

  /** Hands the request to the stack. */
  start(isForUs: boolean): void {
    if (isForUs) {
      this.onAnswer(answerOptions());
      return;
    }
    let answer: Promise<ProxyResponse>;
    try {
      answer = this.owner.context.handle(this.request);
    } catch (error) {
      this.onFailure(error);
      return;
    }
    answer.then(this.onAnswer, this.onFailure);
  }

  /** The content broke off, or its framing did: nothing behind it can be read. */
  failInput(error: ProxyError): void {
    this.isInputDone = false;
    this.body.fail(error);
    if (!this.isOver) this.request.abort(error);
  }

  /** The client has closed its direction of a tunnel. */
  endTunnelInput(): void {
    this.endInput(undefined);
    this.endTunnel();
  }

  /** Writes something that means nothing, and that a peer that is gone answers with a reset. False where nothing can be written. */
  probe(): boolean {
    if (this.isTunnel || this.request.httpVersion !== 11) return false;
    if (this.hasAnswered) return this.writer?.probe() === true;
    this.owner.send(CONTINUE);
    return true;
  }

  /** The client is gone, or is treated so. */
  abort(error: ProxyError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.request.abort(error);
    this.body.fail(error);
    if (this.writer !== undefined) this.writer.stop(error);
    else this.response?.body.cancel(error);
    this.complete(error, this.owner.context.clock.now());
  }

  onDrain(): void {
    this.writer?.onDrain();
  }

  onBlocked(_writer: BodyWriter, isBlocked: boolean): void {
    const { context } = this.owner;
    if (context.timeouts.writeStallMs === 0) return;
    this.writeStall ??= new Deadline(this);
    if (isBlocked) context.deadlines.of(context.timeouts.writeStallMs).arm(this.writeStall, context.clock.now());
    else this.writeStall.disarm();
  }

  onDeadline(): void {
    this.abort(clientClosed('the client does not read its answer'));
    this.owner.onExchangeBroken();
  }

  onWritten(_writer: BodyWriter, error: ProxyError | undefined): void {
    if (this.isOver) return;
    if (this.isTunnel && error === undefined) {
      this.owner.socket.end();
      this.writer = undefined;
      this.endTunnel();
      return;
    }
    this.finish(error);
  }

  private readonly onInformational = (status: number, headers: Headers): void => {
    if (this.isOver || this.hasAnswered || status < 100 || status > 199 || status === 101) return;
    this.owner.send(informationalHead(status, headers));
    if (status !== 100) return;
    this.expectsContinue = false;
    this.owner.onContinue();
  };

  private readonly onFailure = (error: unknown): void => {
    if (this.isOver) return;
    this.onAnswer(this.owner.context.rescue(error, this.request));
  };

  private readonly onAnswer = (response: ProxyResponse): void => {
    if (this.isOver) {
      response.body.cancel(this.request.aborted ?? clientClosed('the client has gone'));
      return;
    }
    this.response = response;
    this.hasAnswered = true;
    try {
      if (response.isTunnel && this.request.isUpgrade) this.openTunnel(response);
      else if (response.status >= 200 && response.status <= 599) this.answer(response);
      else this.answer(this.replaced(response));
    } catch (cause) {
      // A bug costs this connection, never the process.
      this.finish(new ProxyError('PF_INTERNAL', 'an answer could not be written', { cause }));
      response.body.cancel(clientClosed('the answer could not be written'));
    }
  };

  /** A status that no answer may have, made by a layer: nothing a client could read. */
  private replaced(response: ProxyResponse): ProxyResponse {
    const error = new ProxyError('PF_INTERNAL', `an answer with the status ${response.status}`);
    response.body.cancel(error);
    this.response = this.owner.context.rescue(error, this.request);
    return this.response;
  }

  private answer(response: ProxyResponse): void {
    const { owner, request } = this;
    const { socket, context } = owner;
    const { body } = response;
    const hasNoBody = isBodyless(response, request);
    let framing = answerFraming(response, request);
    const whole = hasNoBody ? undefined : body.takeWhole(MAX_JOINED_BYTES);
    if (whole !== undefined && framing === FRAMING_CLOSE) framing = body.received;
    const mayPersist = this.isPersistent && !owner.isClosing && !context.endsConnections;
    this.mayReuse = mayPersist && this.isInputDone && framing !== FRAMING_CLOSE;
    const connection = connectionField(this.mayReuse, request);
    const head = responseHead(response, framing, connection, context.clock);
    if (hasNoBody) {
      body.cancel(clientClosed('an answer without content'));
      owner.send(head);
      this.finish(undefined);
    } else if (whole !== undefined) {
      const text = joinWhole(head, whole, framing);
      if (text === undefined) {
        this.finish(new ProxyError('PF_INTERNAL', 'a body is not as long as was announced'));
        return;
      }
      this.sentBytes = body.received;
      owner.send(text);
      this.finish(undefined);
    } else {
      this.writer = new BodyWriter(socket, body, framing, this);
      this.writer.start(owner.takeOutgoing() + head);
    }
  }

  private openTunnel(response: ProxyResponse): void {
    this.isTunnel = true;
    this.isInputDone = false;
    const head = responseHead(
      response,
      FRAMING_NONE,
      'Connection: Upgrade\r\nUpgrade: websocket\r\n',
      this.owner.context.clock,
    );
    this.writer = new BodyWriter(this.owner.socket, response.body, FRAMING_CLOSE, this);
    this.writer.start(this.owner.takeOutgoing() + head);
    this.owner.onTunnelOpen(this);
  }

  private endInput(trailers: Headers | undefined): void {
    this.isInputDone = true;
    this.request.contentAtMs = this.owner.context.clock.now();
    this.body.end(trailers);
  }

  /** Both directions have to end. */
  private endTunnel(): void {
    if (this.isInputDone && this.writer === undefined) this.finish(undefined);
  }

  private finish(error: ProxyError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    const nowMs = this.owner.context.clock.now();
    this.complete(error, nowMs);
    if (error !== undefined) {
      this.body.fail(error);
      this.owner.onExchangeBroken();
      return;
    }
    if (!this.isInputDone || (this.request.isUpgrade && !this.isTunnel))
      this.body.cancel(clientClosed('the answer came before the end of the request'));
    this.owner.onExchangeEnd(this.mayReuse && this.isInputDone, nowMs);
  }

  private complete(error: ProxyError | undefined, endedAtMs: number): void {
    this.writeStall?.disarm();
    this.owner.context.complete(this.request, {
      response: this.hasAnswered ? this.response : undefined,
      error,
      receivedBytes: this.body.received,
      sentBytes: this.writer?.sentBytes ?? this.sentBytes,
      endedAtMs,
    });
  }
}
