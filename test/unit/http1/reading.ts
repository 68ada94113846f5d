// Our reading of raw bytes without a socket: what the connections do, over the same parts, for tables and property tests.
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { DEFAULT_LIMITS, STRICT_PATHS, type WireLimits } from '../../../src/http/limits.ts';
import type { ServingContext } from '../../../src/http/serving.ts';
import { acceptRequest } from '../../../src/http1/accept-request.ts';
import { acceptOptions, CONTENT_CHUNKED, CONTENT_TO_END, contentOf } from '../../../src/http1/accept-response.ts';
import { ChunkedDecoder } from '../../../src/http1/chunked-decoder.ts';
import { HeadReader, REQUEST_HEAD, RESPONSE_HEAD } from '../../../src/http1/head-reader.ts';
import { systemClock } from '../../../src/util/clock.ts';

/** One message as it was understood. */
export interface ReadMessage {
  readonly start: string;
  readonly fields: readonly string[];
  readonly content: string;
  readonly trailers: readonly string[];
}

export interface Reading {
  readonly messages: readonly ReadMessage[];
  /** `code status`, or undefined. */
  readonly error: string | undefined;
  /** The bytes ended within a message. */
  readonly isPartial: boolean;
}

const SOURCE = { pauseBody: () => undefined, resumeBody: () => undefined, cancelBody: () => undefined };

/** Cuts `bytes` at the offsets. */
export function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const offsets = [
    0,
    ...at.filter((offset) => offset > 0 && offset < bytes.length).sort((a, b) => a - b),
    bytes.length,
  ];
  const chunks: Buffer[] = [];
  for (let index = 1; index < offsets.length; index++) chunks.push(bytes.subarray(offsets[index - 1], offsets[index]));
  return chunks.filter((chunk) => chunk.length > 0);
}

export function readRequests(chunks: readonly Buffer[], limits: WireLimits = DEFAULT_LIMITS): Reading {
  const context = {
    direction: 'outbound',
    clock: systemClock,
    paths: STRICT_PATHS,
    limits,
  } as unknown as ServingContext;
  return readAll(chunks, limits, (reader, chunk, offset) => {
    const end = reader.readRequest(chunk, offset, limits);
    if (end < 0) return undefined;
    const { request, isPersistent } = acceptRequest(REQUEST_HEAD, context, false, '', SOURCE);
    return {
      end,
      start: `${request.method} ${request.authority} ${request.path}${request.query} ${request.httpVersion}`,
      fields: request.headers.pairs,
      length: REQUEST_HEAD.isChunked ? -1 : Math.max(0, REQUEST_HEAD.contentLength),
      isLast: !isPersistent || request.isUpgrade,
      decoder: new ChunkedDecoder(limits, REQUEST_HEAD),
    };
  });
}

export function readAnswers(chunks: readonly Buffer[], method = 'GET', limits: WireLimits = DEFAULT_LIMITS): Reading {
  return readAll(chunks, limits, (reader, chunk, offset) => {
    const end = reader.readResponse(chunk, offset, limits);
    if (end < 0) return undefined;
    const content = contentOf(RESPONSE_HEAD, method, false, acceptOptions(RESPONSE_HEAD));
    return {
      end,
      start: `${RESPONSE_HEAD.status} ${RESPONSE_HEAD.reason} ${RESPONSE_HEAD.version}`,
      fields: RESPONSE_HEAD.headers.pairs,
      length: content === CONTENT_CHUNKED ? -1 : content === CONTENT_TO_END ? Infinity : content,
      isLast: content === CONTENT_TO_END,
      decoder: new ChunkedDecoder(limits, RESPONSE_HEAD),
    };
  });
}

interface Opened {
  readonly end: number;
  readonly start: string;
  readonly fields: readonly string[];
  /** -1: chunked. */
  readonly length: number;
  readonly isLast: boolean;
  readonly decoder: ChunkedDecoder;
}

function readAll(
  chunks: readonly Buffer[],
  _limits: WireLimits,
  open: (reader: HeadReader, chunk: Buffer, offset: number) => Opened | undefined,
): Reading {
  const messages: ReadMessage[] = [];
  const reader = new HeadReader();
  let opened: Opened | undefined;
  let left = 0;
  let content = '';
  let body: Body | undefined;
  const finish = (): void => {
    if (opened === undefined) return;
    messages.push({
      start: opened.start,
      fields: opened.fields,
      content,
      trailers: opened.decoder.trailers?.pairs ?? [],
    });
    if (opened.isLast) isOver = true;
    opened = undefined;
  };
  let isOver = false;
  try {
    for (const chunk of chunks) {
      let offset = 0;
      while (offset < chunk.length && !isOver) {
        if (opened === undefined) {
          const next = open(reader, chunk, offset);
          if (next === undefined) break;
          opened = next;
          offset = next.end;
          left = next.length;
          content = '';
          body = new Body(undefined, undefined);
          body.read({
            onData: (piece) => (content += piece.toString('latin1')),
            onEnd: () => undefined,
            onError: () => undefined,
          });
          if (left === 0) finish();
        } else if (left < 0 && body !== undefined) {
          offset = opened.decoder.feed(chunk, offset, body);
          if (opened.decoder.isDone) finish();
        } else {
          const end = Math.min(chunk.length, offset + left);
          content += chunk.toString('latin1', offset, end);
          left -= end - offset;
          offset = end;
          if (left === 0) finish();
        }
      }
    }
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    return { messages, error: `${error.code} ${error.status}`, isPartial: false };
  }
  const isToEnd = opened?.length === Infinity;
  if (isToEnd) finish();
  return { messages, error: undefined, isPartial: opened !== undefined || reader.hasBegun };
}
