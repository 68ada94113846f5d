// HOT PATH. The server side of one HTTP/1 connection: requests read one after the other, answered in order.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ProxyError } from '../errors.ts';
import type { BodySource } from '../http/body.ts';
import { isLeased } from '../http/lease.ts';
import type { ServingContext } from '../http/serving.ts';
import { Deadline, type DeadlineOwner } from '../util/deadline-list.ts';
import { acceptRequest, clientClosed } from './accept-request.ts';
import { HeadReader, REQUEST_HEAD } from './head-reader.ts';
import { Outbox } from './outbox.ts';
import { refusal } from './refusal.ts';
import { reset } from './reset.ts';
import { ServerExchange, type ServerExchangeOwner } from './server-exchange.ts';
import { hasToWait, type InTurn } from './read-turns.ts';
import { own, type SocketOwner } from './socket-events.ts';

/** What a closing connection still reads, so that the client can read our answer instead of a reset: milliseconds, bytes. */
const LINGER_MS = 2_000;
const LINGER_BYTES = 16_777_216;
/**
 * A FIN says "no more from me" or "I am gone", and only a write can tell which. While an answer, or more of it, is being
 * waited for, `ServerExchange.probe` writes something every so many milliseconds: a peer that is gone answers with a
 * reset, at the second write at the latest.
 */
const PROBE_MS = 30;
const MAX_PROBES = 4;

/** For how long a connection is read that was told to end while it waited for its turn. */
const LAST_READ_MS = 100;

/** Pipelined requests of which more than this waits are read no further. */
const MAX_HELD_BYTES = 16_384;

/**
 * Nothing is read of a client that sends faster than its content is taken, so that its reset is not heard. Every so many
 * milliseconds nothing is written to it: that sends nothing, and fails where it has reset the connection.
 */
const LOOK_MS = 250;
const NOTHING = Buffer.alloc(0);

/** What the connection's deadline is about. */
type Wait = 'head' | 'idle' | 'stall' | 'look' | 'drain' | 'probe' | 'linger';

/**
 * Serves HTTP/1 on an accepted socket until it is closed. The listener has set `noDelay`; half-open is set here.
 * The connection owns the socket: it reads, writes and destroys it.
 */
export function serveHttp1(socket: Socket, context: ServingContext, owner?: Http1ServerOwner): Http1ServerConnection {
  return new Http1ServerConnection(socket, context, owner);
}

/** Whoever keeps the connections. */
export interface Http1ServerOwner {
  /** Its socket is closed. Told once. */
  onClosed(connection: Http1ServerConnection): void;
}

export class Http1ServerConnection implements SocketOwner, DeadlineOwner, BodySource, ServerExchangeOwner, InTurn {
  readonly socket: Socket;
  readonly context: ServingContext;
  /** Monotonic. */
  readonly openedAtMs: number;
  /** True once the connection takes no further request. */
  isClosing = false;
  /** True once the client has closed its direction. */
  hasEnded = false;
  private readonly owner: Http1ServerOwner | undefined;
  private readonly deadline: Deadline;
  private readonly outbox: Outbox;
  private wait: Wait = 'idle';
  private reader: HeadReader | undefined = undefined;
  private exchange: ServerExchange | undefined = undefined;
  /** Read, but not yet looked at: what follows the request that is being answered. */
  private held: Buffer | undefined = undefined;
  private peerAddress: string | undefined = undefined;
  /** What comes is dropped: nothing can be made of it any more. */
  private isDeaf = false;
  private isLingering = false;
  private isPaused = false;
  /** Nothing is read before `onTurn`. */
  private isWaiting = false;
  private isConsuming = false;
  private drainedBytes = 0;
  private probes = 0;

  constructor(socket: Socket, context: ServingContext, owner: Http1ServerOwner | undefined) {
    this.socket = socket;
    this.context = context;
    this.owner = owner;
    this.deadline = new Deadline(this);
    this.outbox = new Outbox(socket);
    own(socket, this);
    this.openedAtMs = context.clock.now();
    this.arm('idle', context.timeouts.idleMs, this.openedAtMs);
  }

  /** True between requests, as far as is known. */
  get isIdle(): boolean {
    return this.exchange === undefined && this.held === undefined && !this.isWaiting && this.reader?.hasBegun !== true;
  }

  /** True until something was read. */
  get isSilent(): boolean {
    return this.reader === undefined && !this.isClosing && !this.socket.destroyed;
  }

  /** Finishes the request that is being served, with `Connection: close`, and ends; at once where there is none. */
  close(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    if (this.isIdle) this.linger();
  }

  /** Ends now. A request in flight is aborted. */
  destroy(): void {
    this.outbox.flush();
    if (this.exchange === undefined) {
      this.socket.destroy();
      return;
    }
    this.exchange.abort(new ProxyError('PF_DRAINING', 'the sidecar stopped before the exchange had ended'));
    reset(this.socket);
  }

  read(chunk: Buffer): void {
    if (this.isDeaf) {
      this.drainedBytes += chunk.length;
      if (this.drainedBytes > LINGER_BYTES) this.socket.destroy();
      return;
    }
    if (this.held !== undefined) {
      this.hold(Buffer.concat([this.held, chunk]));
      return;
    }
    const wasUnwanted = this.exchange?.isBodyUnwanted === true;
    this.consume(chunk);
    // A reader that came late, or that was slow for a moment, does not toggle the socket: only two chunks in a row do.
    if (wasUnwanted && this.exchange?.isBodyUnwanted === true) this.pause();
  }

  ended(): void {
    this.hasEnded = true;
    const { exchange } = this;
    if (this.isLingering) {
      return; // the socket closes by itself once what was written has left
    } else if (exchange === undefined) {
      if (this.reader?.hasBegun === true) this.refuse(REQUEST_HEAD.fail('the connection ended within a head'));
      else if (this.held === undefined) this.linger();
    } else if (exchange.isTunnel) {
      exchange.endTunnelInput();
    } else if (this.isDeaf) {
      return; // its content was broken: the answer that says so is on its way
    } else if (!exchange.isInputDone) {
      exchange.abort(clientClosed('the client closed the connection within its request'));
      this.outbox.flush();
      this.socket.destroy();
    } else {
      this.probes = 0;
      this.arm('probe', PROBE_MS);
    }
  }

  drained(): void {
    if (this.exchange !== undefined) this.exchange.onDrain();
    else if (this.held !== undefined && !this.isDeaf) this.consumeHeld();
  }

  send(text: string): void {
    this.outbox.send(text);
  }

  takeOutgoing(): string {
    return this.outbox.take();
  }

  gone(error: Error | undefined): void {
    this.deadline.disarm();
    this.exchange?.abort(clientClosed('the client closed the connection', error));
    this.exchange = undefined;
    this.held = undefined;
    this.reader = undefined;
    if (error === undefined) this.owner?.onClosed(this);
  }

  onDeadline(): void {
    const { exchange } = this;
    switch (this.wait) {
      case 'head':
        this.refuse(REQUEST_HEAD.fail('the head did not come in time', 408));
        return;
      case 'idle':
        this.linger();
        return;
      case 'stall':
        this.isDeaf = true;
        exchange?.failInput(REQUEST_HEAD.fail('the content did not come in time', 408));
        return;
      case 'probe':
        if (exchange?.probe() === true && ++this.probes < MAX_PROBES) this.arm('probe', PROBE_MS);
        return;
      case 'look':
        this.socket.write(NOTHING);
        this.arm('look', LOOK_MS);
        return;
      case 'drain':
      case 'linger':
        this.socket.destroy();
    }
  }

  onExchangeEnd(isReusable: boolean, nowMs: number): void {
    this.exchange = undefined;
    if (!isReusable || this.socket.destroyed) {
      this.linger();
      return;
    }
    if (this.held === undefined) {
      if (this.hasEnded || this.isClosing) this.linger();
      else if (!this.isConsuming && hasToWait(this, nowMs)) {
        this.isWaiting = true;
        this.deadline.disarm();
        this.pause();
      } else {
        this.arm('idle', this.context.timeouts.idleMs, nowMs);
        this.unpause();
      }
    } else if (!this.isConsuming) {
      this.consumeHeld();
    }
  }

  onTurn(): void {
    this.isWaiting = false;
    if (this.isLingering || this.socket.destroyed) return;
    // Where it is about to end, a request that had come by now is still answered.
    this.arm('idle', this.isClosing ? LAST_READ_MS : this.context.timeouts.idleMs);
    this.unpause();
  }

  onExchangeBroken(): void {
    this.exchange = undefined;
    this.deadline.disarm();
    // A FIN could make what was sent look complete; a reset cannot.
    reset(this.socket);
  }

  onTunnelOpen(exchange: ServerExchange): void {
    const { held } = this;
    this.held = undefined;
    this.deadline.disarm();
    this.unpause();
    if (held !== undefined) exchange.feed(held, 0);
    if (this.hasEnded) exchange.endTunnelInput();
  }

  /** The reader of the content wants no more for now; `read` looks whether that lasts. */
  pauseBody(): void {
    if (this.wait === 'stall') this.deadline.disarm();
  }

  /** The reader of the content wants more. */
  resumeBody(): void {
    if (this.exchange === undefined) return;
    this.unpause();
    this.armStall(this.exchange);
  }

  /** Nobody wants the rest of the content: it is read to its end, and dropped. */
  cancelBody(): void {
    if (this.exchange !== undefined) this.unpause();
  }

  /** The client was told to go on sending. */
  onContinue(): void {
    if (this.exchange !== undefined) this.armStall(this.exchange);
  }

  private consume(chunk: Buffer): void {
    this.isConsuming = true;
    let offset = 0;
    try {
      while (offset < chunk.length && !this.isDeaf && !this.socket.destroyed) {
        const { exchange } = this;
        if (exchange === undefined) {
          if (this.socket.writableNeedDrain) {
            // A client that sends requests and reads no answers is not served further.
            this.held = kept(chunk, offset);
            this.pause();
            this.arm('drain', this.context.timeouts.writeStallMs);
            break;
          }
          offset = this.readHead(chunk, offset);
          if (offset < 0) break;
        } else if (exchange.isTunnel || !exchange.isInputDone) {
          offset = exchange.feed(chunk, offset);
          if (!exchange.isTunnel) this.armStall(exchange);
        } else {
          this.hold(kept(chunk, offset));
          break;
        }
      }
    } catch (error) {
      this.misread(error);
    }
    this.isConsuming = false;
    if (this.exchange === undefined && this.held !== undefined && !this.isDeaf && !this.socket.writableNeedDrain)
      this.consumeHeld();
  }

  private consumeHeld(): void {
    const { held } = this;
    this.held = undefined;
    if (held !== undefined) this.consume(held);
    if (this.held === undefined) this.unpause();
    if (this.hasEnded && !this.isDeaf) this.ended();
  }

  /** Keeps what follows the request that is being answered; as long as it is little the end behind it is still heard. */
  private hold(rest: Buffer): void {
    this.held = rest;
    if (rest.length > MAX_HELD_BYTES || this.socket.writableNeedDrain) this.pause();
    else this.unpause();
  }

  /** @returns the offset behind the head and whatever of its content came with it; -1 where more is needed. */
  private readHead(chunk: Buffer, offset: number): number {
    this.reader ??= new HeadReader();
    const isFirst = !this.reader.hasBegun;
    let end = this.reader.readRequest(chunk, offset, this.context.limits);
    if (end < 0) {
      const { headMs, idleMs } = this.context.timeouts;
      if (isFirst && this.reader.hasBegun) this.arm('head', headMs);
      else if (isFirst) this.arm('idle', idleMs);
      return -1;
    }
    this.deadline.disarm();
    const accepted = acceptRequest(REQUEST_HEAD, this.context, this.socket instanceof TLSSocket, this.peer, this);
    const exchange = new ServerExchange(this, accepted, REQUEST_HEAD.contentLength, REQUEST_HEAD.isChunked);
    // Content that came along is judged before anything is sent on.
    if (end < chunk.length && !exchange.isInputDone) end = exchange.feed(chunk, end);
    this.exchange = exchange;
    this.armStall(exchange);
    exchange.start(accepted.isForUs);
    return end;
  }

  private misread(error: unknown): void {
    const problem =
      error instanceof ProxyError
        ? error
        : new ProxyError('PF_INTERNAL', 'a request could not be read', { cause: error });
    const { exchange } = this;
    this.isClosing = true;
    this.isDeaf = true;
    this.held = undefined;
    if (exchange === undefined) this.refuse(problem);
    else exchange.failInput(problem);
  }

  /** Answers a message that is no request, or the opening of the connection, and ends it: nothing behind it is read. */
  refuse(error: ProxyError): void {
    const { context, socket } = this;
    this.isClosing = true;
    this.held = undefined;
    this.reader = undefined;
    const { text, bytes } = refusal(error, context);
    socket.write(this.outbox.take() + text, 'latin1');
    context.refused(error, this.peer, bytes);
    this.linger();
  }

  /** Sends what is left, then FIN; what still comes is dropped, for a while. */
  private linger(): void {
    if (this.isLingering) return;
    this.isLingering = true;
    this.isDeaf = true;
    this.isClosing = true;
    this.held = undefined;
    this.reader = undefined;
    this.outbox.flush();
    this.unpause();
    if (this.socket.writableLength === 0) {
      this.socket.end();
      this.arm('linger', LINGER_MS);
    } else {
      // A slow reader has its time for what is left of its answer; the lingering begins behind that.
      this.arm('drain', this.context.timeouts.writeStallMs);
      this.socket.end(() => this.arm('linger', LINGER_MS));
    }
  }

  private get peer(): string {
    if (this.peerAddress === undefined) {
      const address = this.socket.remoteAddress ?? '';
      this.peerAddress = address.startsWith('::ffff:') ? address.slice(7) : address;
    }
    return this.peerAddress;
  }

  private arm(wait: Wait, durationMs: number, nowMs = this.context.clock.now()): void {
    this.wait = wait;
    if (durationMs > 0) this.context.deadlines.of(durationMs).arm(this.deadline, nowMs);
    else this.deadline.disarm();
  }

  private armStall(exchange: ServerExchange): void {
    if (exchange.isInputDone || exchange.isTunnel || exchange.isBodyUnwanted || exchange.expectsContinue) {
      if (this.wait === 'stall') this.deadline.disarm();
    } else if (this.exchange === exchange) {
      this.arm('stall', this.context.timeouts.stallMs);
    }
  }

  private pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.socket.pause();
    if (this.exchange !== undefined && !this.deadline.isArmed) this.arm('look', LOOK_MS);
  }

  private unpause(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.wait === 'look') this.deadline.disarm();
    this.socket.resume();
  }
}

/** What is left of a chunk, for longer than the call that it came with. */
function kept(chunk: Buffer, offset: number): Buffer {
  const rest = chunk.subarray(offset);
  return isLeased(chunk) ? Buffer.from(rest) : rest;
}
