// HOT PATH. Writes one body on one socket as it comes: framed, counted, with back-pressure, all of one turn in one write.
import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { Body, BodyReader } from '../http/body.ts';
import type { Headers } from '../http/headers.ts';
import { giveBack, isLeased } from '../http/lease.ts';
import { flushAtEndOfTurn, type Flushable } from '../util/end-of-turn.ts';
import { latin1 } from './latin1.ts';
import { FRAMING_CHUNKED, lastChunk } from './serialize.ts';

/** Up to here a chunk is copied into the text that is being collected; above it is written as it came. */
const MAX_JOINED_BYTES = 8_192;
/** Collected text goes out at the latest when it is this long. */
const MAX_TEXT_CHARS = 65_536;

/** Who writes a body. */
export interface BodyWriterOwner {
  /** The end of the body was handed to the socket, or `error`: what was written must not look complete. Told once. */
  onWritten(writer: BodyWriter, error: ProxyError | undefined): void;
  /** The peer does not read (true), or reads again. */
  onBlocked(writer: BodyWriter, isBlocked: boolean): void;
}

export class BodyWriter implements BodyReader, Flushable {
  /** Bytes of content so far. */
  sentBytes = 0;
  /** True once anything was handed to the socket, the head included. */
  hasWritten = false;
  private readonly socket: Socket;
  private readonly body: Body;
  private readonly framing: number;
  private readonly owner: BodyWriterOwner;
  private text = '';
  private isScheduled = false;
  private isBlocked = false;
  private isOver = false;

  /** @param framing a length that has to be met, FRAMING_CHUNKED, or another: as it comes. */
  constructor(socket: Socket, body: Body, framing: number, owner: BodyWriterOwner) {
    this.socket = socket;
    this.body = body;
    this.framing = framing;
    this.owner = owner;
  }

  /** Sends `head`, and the body behind it as it comes. */
  start(head: string): void {
    this.text = head;
    this.schedule();
    this.body.read(this);
  }

  onData(chunk: Buffer): void {
    if (this.isOver) return;
    this.sentBytes += chunk.length;
    if (this.framing >= 0 && this.sentBytes > this.framing) {
      this.finish(new ProxyError('PF_INTERNAL', 'a body is longer than was announced'));
      this.body.cancel(new ProxyError('PF_INTERNAL', 'a body is longer than was announced'));
      return;
    }
    const isChunked = this.framing === FRAMING_CHUNKED;
    if (chunk.length <= MAX_JOINED_BYTES) {
      const content = latin1(chunk);
      giveBack(chunk);
      this.text += isChunked ? `${chunk.length.toString(16)}\r\n${content}\r\n` : content;
      if (this.text.length >= MAX_TEXT_CHARS) this.flush();
      else this.schedule();
      return;
    }
    const { socket } = this;
    this.hasWritten = true;
    const before = isChunked ? `${this.text}${chunk.length.toString(16)}\r\n` : this.text;
    this.text = '';
    let isFlowing: boolean;
    const done = isLeased(chunk) ? () => giveBack(chunk) : undefined;
    if (before === '') {
      isFlowing = socket.write(chunk, done);
    } else {
      socket.cork();
      socket.write(before, 'latin1');
      isFlowing = socket.write(chunk, done);
      if (isChunked) isFlowing = socket.write('\r\n', 'latin1');
      socket.uncork();
    }
    if (!isFlowing) this.block();
  }

  onEnd(trailers: Headers | undefined): void {
    if (this.isOver) return;
    if (this.framing >= 0 && this.sentBytes < this.framing) {
      this.finish(new ProxyError('PF_INTERNAL', 'a body is shorter than was announced'));
      return;
    }
    if (this.framing === FRAMING_CHUNKED) this.text += lastChunk(trailers);
    this.flush();
    this.finish(undefined);
  }

  onError(error: ProxyError): void {
    this.finish(error);
  }

  /** To be called on the socket's `drain`. */
  onDrain(): void {
    if (!this.isBlocked) return;
    this.isBlocked = false;
    if (this.isOver) return;
    this.owner.onBlocked(this, false);
    this.body.resume();
  }

  /** A needless zero in front of the next chunk's size (RFC 9112 §7.1) shows whether the peer is still there. */
  probe(): boolean {
    if (this.isOver || this.framing !== FRAMING_CHUNKED) return false;
    if (this.text === '' && !this.isBlocked) this.socket.write('0', 'latin1');
    return true;
  }

  /** Writes no more, and tells the source why. The owner hears nothing. */
  stop(reason: ProxyError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.text = '';
    this.body.cancel(reason);
  }

  private finish(error: ProxyError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.text = '';
    this.owner.onWritten(this, error);
  }

  private block(): void {
    if (this.isBlocked || this.isOver) return;
    this.isBlocked = true;
    this.body.pause();
    this.owner.onBlocked(this, true);
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    flushAtEndOfTurn(this);
  }

  flush(): void {
    this.isScheduled = false;
    const { text } = this;
    if (text === '') return;
    this.text = '';
    this.hasWritten = true;
    if (!this.socket.write(text, 'latin1')) this.block();
  }
}
