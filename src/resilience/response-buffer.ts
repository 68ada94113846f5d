// Holds answers until they are complete, where configured: one that breaks off has then reached nobody, and can be had from another endpoint.
import type { ProxyError } from '../errors.ts';
import { Body, type BodyReader, type BodySource } from '../http/body.ts';
import type { Headers } from '../http/headers.ts';
import type { Layer, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { located } from '../upstream/located.ts';
import type { BufferOptions, RetryOptions } from '../upstream/options.ts';
import type { Clock } from '../util/clock.ts';
import { Deadline, type DeadlineList, type DeadlineLists, type DeadlineOwner } from '../util/deadline-list.ts';
import { HeldContent } from './held-content.ts';
import { mayBeExecutedAgain } from './retry-policy.ts';

/** How much all upstreams together hold, at most: an answer for which there is no room streams. */
const MAX_HELD_BYTES = 64 * 1_048_576;

/** Room for what is held; one for all upstreams of a process. */
export class BufferSpace {
  /** Bytes that are held now. */
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
  /** What the client reads, once it streams. */
  private streaming: Body | undefined = undefined;

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
    if (this.streaming !== undefined) {
      this.streaming.push(chunk);
    } else if (this.held.bytes + chunk.length <= this.maxBytes && this.space.take(chunk.length)) {
      this.held.add(chunk);
    } else {
      this.stream().push(chunk);
    }
  }

  onEnd(trailers: Headers | undefined): void {
    (this.streaming ?? this.handOn(undefined)).end(trailers);
  }

  onError(error: ProxyError): void {
    if (this.streaming !== undefined) {
      this.streaming.fail(error);
      return;
    }
    this.letGo();
    const attempt = this.request.attempts.at(-1);
    if (attempt !== undefined) attempt.result = error.code;
    this.reject(located(error, attempt?.endpoint ?? ''));
  }

  onDeadline(): void {
    this.stream();
  }

  pauseBody(): void {
    this.original.pause();
  }

  resumeBody(): void {
    this.original.resume();
  }

  cancelBody(reason: ProxyError): void {
    this.original.cancel(reason);
  }

  private stream(): Body {
    this.original.pause(); // Until the client reads.
    this.streaming = this.handOn(this);
    return this.streaming;
  }

  /** Gives the answer back, with what is held in a body of its own. @param source asked for the rest; undefined: there is none. */
  private handOn(source: BodySource | undefined): Body {
    const body = new Body(source, this.original.length);
    for (const chunk of this.letGo()) body.push(chunk);
    this.response.body = body;
    this.resolve(this.response);
    return body;
  }

  private letGo(): Buffer[] {
    this.deadline.disarm();
    this.space.usedBytes -= this.held.bytes;
    return this.held.takeAll();
  }
}
