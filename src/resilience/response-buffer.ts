// Holds answers until they are complete, where configured: one that breaks off has then reached nobody, and can be had from another endpoint.
import type { ProxyError } from '../errors.ts';
import { Body, type BodyReader, type BodySource } from '../http/body.ts';
import type { Headers } from '../http/headers.ts';
import type { Layer, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { located } from '../upstream/located.ts';
import type { BufferOptions, RetryOptions } from '../upstream/options.ts';
import type { Clock } from '../util/clock.ts';
import { Deadline, type DeadlineList, type DeadlineLists, type DeadlineOwner } from '../util/deadline-list.ts';
import { answeredBy } from './answered-by.ts';
import { HeldContent } from './held-content.ts';
import { mayBeExecutedAgain } from './retry-policy.ts';

/** Up to here a complete answer is handed on at once, so that it leaves in one write with its head. */
const SMALL_BYTES = 16_384;
/** How much all upstreams together hold, at most: an answer for which there is no room streams. */
const MAX_HELD_BYTES = 64 * 1_048_576;

/** Room for what is held; one for all upstreams of a process. */
export class BufferSpace {
  /** Bytes that are held now, also for a client that takes its answer slowly. */
  usedBytes = 0;
  private readonly maxBytes: number;
  private readonly isMemoryShort: () => boolean;

  /** @param isMemoryShort above a watermark of memory nothing more is held. */
  constructor(isMemoryShort: () => boolean = () => false, maxBytes = MAX_HELD_BYTES) {
    this.isMemoryShort = isMemoryShort;
    this.maxBytes = maxBytes;
  }

  /** @returns whether there is room, which is taken then. */
  take(bytes: number): boolean {
    if (this.usedBytes + bytes > this.maxBytes || this.isMemoryShort()) return false;
    this.usedBytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.usedBytes -= bytes;
  }
}

export interface BufferContext {
  readonly clock: Clock;
  readonly deadlines: DeadlineLists;
  readonly space: BufferSpace;
  readonly retry: RetryOptions;
}

/**
 * Inside the retries. Of requests that may be executed twice, an answer whose content is no longer than `maxBytes` is given
 * back once it is complete; where it breaks off before, the attempt has failed as if nothing had come. Longer ones stream, from
 * the moment at which that is known; so do streams of events, tunnels, and what is not complete after `waitMs`.
 */
export function responseBuffer(options: BufferOptions, context: BufferContext): Layer {
  const holder = new Holder(options, context);
  return (next) => (request) => {
    if (request.isUpgrade || !mayBeExecutedAgain(context.retry, request)) return next(request);
    return next(request).then((response) => holder.hold(request, response));
  };
}

class Holder {
  private readonly options: BufferOptions;
  private readonly context: BufferContext;
  private readonly deadlines: DeadlineList;

  constructor(options: BufferOptions, context: BufferContext) {
    this.options = options;
    this.context = context;
    this.deadlines = context.deadlines.of(options.waitMs);
  }

  hold(request: ProxyRequest, response: ProxyResponse): ProxyResponse | Promise<ProxyResponse> {
    const { body } = response;
    const { options, context, deadlines } = this;
    if (body.isEmpty || body.isComplete || response.isTunnel || response.code !== undefined) return response;
    if (body.length !== undefined && body.length > options.maxBytes) return response;
    if (isStream(response.headers)) return response;
    return new Promise((resolve, reject) => {
      const answer = new HeldAnswer(request, response, options.maxBytes, context.space, resolve, reject);
      deadlines.arm(answer.deadline, context.clock.now());
      body.read(answer);
    });
  }
}

/** Says of itself that its parts mean something before its end has come; `X-Accel-Buffering: no` is nginx's word for it. */
function isStream(headers: Headers): boolean {
  const type = headers.get('content-type')?.trimStart().toLowerCase() ?? '';
  return STREAMS.some((stream) => type.startsWith(stream)) || headers.get('x-accel-buffering')?.toLowerCase() === 'no';
}

const STREAMS = ['text/event-stream', 'multipart/x-mixed-replace', 'application/x-ndjson'];

/** One answer: first it is held, then it is whole, has failed, or streams. */
class HeldAnswer implements BodyReader, BodySource, DeadlineOwner {
  readonly deadline = new Deadline(this);
  private readonly request: ProxyRequest;
  private readonly response: ProxyResponse;
  private readonly original: Body;
  private readonly maxBytes: number;
  private readonly space: BufferSpace;
  private readonly resolve: (response: ProxyResponse) => void;
  private readonly reject: (error: ProxyError) => void;
  private readonly held = new HeldContent();
  /** What the client reads, once it is handed on. */
  private outgoing: Body | undefined = undefined;
  /** Of what was held, what the client has not taken yet: it counts until then. */
  private pieces: Buffer[] = [];
  private isWanted = false;
  private isWhole = false;
  private trailers: Headers | undefined = undefined;
  /** It broke off behind what is still to be taken. */
  private failure: ProxyError | undefined = undefined;

  constructor(
    request: ProxyRequest,
    response: ProxyResponse,
    maxBytes: number,
    space: BufferSpace,
    resolve: (response: ProxyResponse) => void,
    reject: (error: ProxyError) => void,
  ) {
    this.request = request;
    this.response = response;
    this.original = response.body;
    this.maxBytes = maxBytes;
    this.space = space;
    this.resolve = resolve;
    this.reject = reject;
  }

  onData(chunk: Buffer): void {
    if (this.outgoing === undefined) {
      if (this.held.bytes + chunk.length <= this.maxBytes && this.space.take(chunk.length)) {
        this.held.add(chunk);
        return;
      }
      this.stream();
    }
    if (this.pieces.length === 0) {
      this.outgoing?.push(chunk);
      return;
    }
    this.space.usedBytes += chunk.length; // It was under way when the source was paused.
    this.pieces.push(chunk);
  }

  onEnd(trailers: Headers | undefined): void {
    this.isWhole = true;
    this.trailers = trailers;
    const body = this.outgoing ?? this.handOn();
    if (body.received + this.left <= SMALL_BYTES) this.isWanted = true;
    this.pour(body);
  }

  onError(error: ProxyError): void {
    const { outgoing } = this;
    if (outgoing !== undefined) {
      this.failure = error;
      this.pour(outgoing);
      return;
    }
    this.deadline.disarm();
    this.space.giveBack(this.held.bytes);
    this.held.takeAll();
    const attempt = answeredBy(this.request, this.response);
    if (attempt !== undefined) attempt.result = error.code;
    this.reject(located(error, attempt?.endpoint ?? ''));
  }

  onDeadline(): void {
    this.stream();
  }

  pauseBody(): void {
    this.isWanted = false;
    this.original.pause();
  }

  resumeBody(): void {
    this.isWanted = true;
    if (this.outgoing !== undefined) this.pour(this.outgoing);
  }

  cancelBody(reason: ProxyError): void {
    this.drop();
    this.original.cancel(reason);
  }

  private stream(): void {
    this.original.pause(); // Until the client has what is held.
    this.handOn();
  }

  /** Gives the answer back; its content follows as fast as it is read. */
  private handOn(): Body {
    this.deadline.disarm();
    this.pieces = this.held.takeAll();
    const body = new Body(this, this.original.length);
    this.outgoing = body;
    this.response.body = body;
    this.resolve(this.response);
    return body;
  }

  /** What is held, then the rest. */
  private pour(body: Body): void {
    while (this.isWanted && this.pieces.length > 0) {
      const piece = this.pieces.shift();
      if (piece === undefined) return;
      this.space.giveBack(piece.length);
      body.push(piece);
    }
    if (this.pieces.length > 0) return;
    if (this.failure !== undefined) body.fail(this.failure);
    else if (this.isWhole) body.end(this.trailers);
    else if (this.isWanted) this.original.resume();
  }

  private get left(): number {
    let bytes = 0;
    for (const { length } of this.pieces) bytes += length;
    return bytes;
  }

  private drop(): void {
    this.space.giveBack(this.left);
    this.pieces = [];
  }
}
