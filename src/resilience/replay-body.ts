// A request's content for more than one attempt: read once from the client, held up to a bound, given to each attempt anew.
import type { ProxyError } from '../errors.ts';
import { Body, type BodyReader, type BodySource, type Piece } from '../http/body.ts';
import type { Headers } from '../http/headers.ts';
import { isWorthKeeping } from './held-content.ts';

/** More than this is not held: a request that has sent more cannot be tried again. */
export const MAX_REPLAY_BYTES = 65_536;

/**
 * `open` for each attempt, then `commit` once no further one will come. The content is read from the client only while an
 * attempt reads it. What is held is copied where it is a slice that
 * would pin the 64 KiB it was cut from.
 */
export class ReplayBody implements BodyReader {
  private readonly original: Body;
  private held: Piece[] = [];
  private heldBytes = 0;
  private isTooLong = false;
  private isStarted = false;
  private isEnded = false;
  private isCommitted = false;
  private trailers: Headers | undefined = undefined;
  private failure: ProxyError | undefined = undefined;
  private cancelled: ProxyError | undefined = undefined;
  private current: AttemptSource | undefined = undefined;

  constructor(original: Body) {
    this.original = original;
    const whole = original.takeWhole(MAX_REPLAY_BYTES);
    if (whole === undefined) return;
    for (const piece of whole.content) this.hold(piece);
    this.trailers = whole.trailers;
    this.isStarted = true;
    this.isEnded = true;
  }

  /** False once more was read than is held, or the client's part has failed. */
  get canReplay(): boolean {
    return !this.isTooLong && this.failure === undefined && !this.isCommitted;
  }

  /** The whole content from its beginning, for one attempt; the one before gets nothing more. Only while `canReplay`. */
  open(): Body {
    this.pause();
    const source = new AttemptSource(this);
    const body = new Body(source, this.original.length);
    source.body = body;
    this.current = source;
    this.cancelled = undefined;
    for (const piece of this.held) body.push(piece);
    if (this.isEnded) body.end(this.trailers);
    return body;
  }

  /** The attempt that was opened last is the final one: nothing is held any more. */
  commit(): void {
    if (this.isCommitted) return;
    this.isCommitted = true;
    this.held = [];
    if (this.cancelled !== undefined) this.original.cancel(this.cancelled);
  }

  onData(chunk: Buffer): void {
    if (!this.isCommitted) this.hold(chunk);
    this.current?.body?.push(chunk);
  }

  onEnd(trailers: Headers | undefined): void {
    this.isEnded = true;
    this.trailers = trailers;
    this.current?.body?.end(trailers);
  }

  onError(error: ProxyError): void {
    this.failure = error;
    this.current?.body?.fail(error);
  }

  /** @internal */
  pauseFor(source: AttemptSource): void {
    if (source === this.current) this.pause();
  }

  /** @internal */
  resumeFor(source: AttemptSource): void {
    if (source !== this.current) return;
    if (this.isStarted) {
      if (!this.isEnded) this.original.resume();
      return;
    }
    this.isStarted = true;
    this.original.read(this);
  }

  /** @internal */
  cancelFor(source: AttemptSource, reason: ProxyError): void {
    if (source !== this.current) return;
    this.current = undefined;
    this.cancelled = reason;
    if (this.isCommitted) this.original.cancel(reason);
    else this.pause();
  }

  private pause(): void {
    if (this.isStarted && !this.isEnded) this.original.pause();
  }

  private hold(piece: Piece): void {
    this.heldBytes += piece.length;
    if (this.heldBytes > MAX_REPLAY_BYTES) {
      this.isTooLong = true;
      this.held = [];
    } else {
      this.held.push(typeof piece === 'string' || isWorthKeeping(piece) ? piece : Buffer.from(piece));
    }
  }
}

/** What an attempt's body asks of the client's: an earlier attempt asks in vain. */
class AttemptSource implements BodySource {
  body: Body | undefined = undefined;
  private readonly replay: ReplayBody;

  constructor(replay: ReplayBody) {
    this.replay = replay;
  }

  pauseBody(): void {
    this.replay.pauseFor(this);
  }

  resumeBody(): void {
    this.replay.resumeFor(this);
  }

  cancelBody(reason: ProxyError): void {
    this.replay.cancelFor(this, reason);
  }
}
