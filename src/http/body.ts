// HOT PATH. A message's content on its way through: a push source with one reader, the same for every HTTP version.
import type { ProxyError } from '../errors.ts';
import type { Headers } from './headers.ts';

/** Who takes a body. After `onEnd` or `onError` nothing more comes. */
export interface BodyReader {
  /**
   * A chunk (≥ 1 byte), as it came from the socket: yours until you pass it on or give it back (lease.ts). It may pin a
   * 64 KiB slab, so copy what is kept for long, and always what is both kept and passed on.
   */
  onData(chunk: Buffer): void;
  /** The body is complete; `trailers` where there were any. */
  onEnd(trailers: Headers | undefined): void;
  /** The body broke off: the message must not look complete to anybody further on. */
  onError(error: ProxyError): void;
}

/** What a body asks of the connection that it comes from. A new body counts as paused until somebody reads it. */
export interface BodySource {
  /** Read no more for now (what was already read still comes). */
  pauseBody(): void;
  resumeBody(): void;
  /** Nobody wants the rest. */
  cancelBody(reason: ProxyError): void;
}

/** Content that is held: as it came, or as latin1 text, one character for each byte, which costs less where it is little. */
export type Piece = Buffer | string;

/** As bytes. */
export function bytesOf(piece: Piece): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece;
}

/** All of a message's content. */
export interface WholeBody {
  readonly content: readonly Piece[];
  readonly trailers: Headers | undefined;
}

type State = 'open' | 'ended' | 'failed' | 'cancelled';

const NO_PIECES: readonly Piece[] = [];
let nothing: Body | undefined;

/**
 * The producer calls `push`, then `end` or `fail`; the reader calls `read` once, then `pause`, `resume`, `cancel` as it likes.
 * What is pushed before there is a reader, or while it has paused, is held in order; the source is paused meanwhile,
 * so that no more than what one read of the socket gave is ever held here.
 */
export class Body {
  /** Announced bytes; undefined where only the end tells. */
  readonly length: number | undefined;
  /** Bytes pushed so far. */
  received = 0;
  private readonly source: BodySource | undefined;
  private reader: BodyReader | undefined = undefined;
  private state: State = 'open';
  private held: Piece[] | undefined = undefined;
  private trailers: Headers | undefined = undefined;
  private error: ProxyError | undefined = undefined;
  private isPaused = false;
  private isDelivered = false;
  /** Nobody reads yet: the source hears of the first reader by `resumeBody`. */
  private sourcePaused = true;

  constructor(source: BodySource | undefined, length: number | undefined) {
    this.source = source;
    this.length = length;
  }

  /** No content: shared, since it has no state that a reader could change. */
  static get empty(): Body {
    return (nothing ??= new EmptyBody());
  }

  /** A body that is already here in full. */
  static of(content: Buffer): Body {
    if (content.length === 0) return Body.empty;
    const body = new Body(undefined, content.length);
    body.push(content);
    body.end(undefined);
    return body;
  }

  /** True where there is nothing to read and never will be: the codecs then send no framing for it. */
  get isEmpty(): boolean {
    return false;
  }

  /** True while the reader (or the lack of one) asks for nothing to be read. */
  get wantsNothing(): boolean {
    return this.sourcePaused;
  }

  /** True once the producer has said `end`: all of it is here, or has been delivered. */
  get isComplete(): boolean {
    return this.state === 'ended';
  }

  /** What is held until the reader takes it; a codec may take it into the write of the head with `takeHeld`. */
  get heldBytes(): number {
    let bytes = 0;
    for (const piece of this.held ?? NO_PIECES) bytes += piece.length;
    return bytes;
  }

  /**
   * The whole content where it is complete, unread and at most `maxBytes`, without a reader; undefined otherwise.
   * Afterwards the body counts as read. For small answers, which then leave in one write with their head.
   */
  takeWhole(maxBytes: number): WholeBody | undefined {
    if (this.state !== 'ended' || this.reader !== undefined || this.isDelivered || this.received > maxBytes)
      return undefined;
    this.isDelivered = true;
    const content = this.held ?? NO_PIECES;
    this.held = undefined;
    return { content, trailers: this.trailers };
  }

  /** Attaches the one reader and delivers what is held, before returning. */
  read(reader: BodyReader): void {
    if (this.reader !== undefined || this.isDelivered) throw new Error('a body has one reader');
    this.reader = reader;
    this.deliver();
  }

  /** Delivers nothing until `resume`; what comes meanwhile is held. */
  pause(): void {
    this.isPaused = true;
    this.pauseSource();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.deliver();
  }

  /** The reader, or whoever would have read, wants no more; the source hears why. Nothing is delivered after it. */
  cancel(reason: ProxyError): void {
    if (this.state === 'cancelled') return;
    const wasOpen = this.state === 'open';
    this.state = 'cancelled';
    this.isDelivered = true;
    this.held = undefined;
    this.reader = undefined;
    if (wasOpen) this.source?.cancelBody(reason);
  }

  /** Producer: one more piece. Ignored after `end`, `fail` or `cancel`, and where it is empty: as a chunk it would be the last one. */
  push(piece: Piece): void {
    if (this.state !== 'open' || piece.length === 0) return;
    this.received += piece.length;
    if (this.held !== undefined) this.held.push(piece);
    else if (this.reader === undefined || this.isPaused) this.held = [piece];
    else {
      this.reader.onData(bytesOf(piece));
      return;
    }
    this.pauseSource();
  }

  /** Producer: that was all. */
  end(trailers: Headers | undefined): void {
    if (this.state !== 'open') return;
    this.state = 'ended';
    this.trailers = trailers;
    if (this.reader !== undefined && !this.isPaused) this.deliver();
  }

  /** Producer: it broke off. What is held is still delivered first. */
  fail(error: ProxyError): void {
    if (this.state !== 'open') return;
    this.state = 'failed';
    this.error = error;
    if (this.reader !== undefined && !this.isPaused) this.deliver();
  }

  private deliver(): void {
    while (this.reader !== undefined && !this.isPaused && this.held !== undefined) {
      const pieces = this.held;
      const piece = pieces.shift();
      if (pieces.length === 0) this.held = undefined;
      if (piece !== undefined) this.reader.onData(bytesOf(piece));
    }
    if (this.reader === undefined || this.isPaused || this.isDelivered) return;
    if (this.state === 'ended') {
      this.isDelivered = true;
      this.reader.onEnd(this.trailers);
    } else if (this.state === 'failed' && this.error !== undefined) {
      this.isDelivered = true;
      this.reader.onError(this.error);
    } else if (this.sourcePaused) {
      this.sourcePaused = false;
      this.source?.resumeBody();
    }
  }

  private pauseSource(): void {
    if (this.sourcePaused || this.state !== 'open') return;
    this.sourcePaused = true;
    this.source?.pauseBody();
  }
}

class EmptyBody extends Body {
  constructor() {
    super(undefined, 0);
    super.end(undefined);
  }

  override get isEmpty(): boolean {
    return true;
  }

  override takeWhole(): WholeBody {
    return NOTHING;
  }

  override read(reader: BodyReader): void {
    reader.onEnd(undefined);
  }

  override pause(): void {}
  override resume(): void {}
  override cancel(): void {}
}

const NOTHING: WholeBody = { content: NO_PIECES, trailers: undefined };
