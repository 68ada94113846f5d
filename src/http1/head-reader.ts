// HOT PATH. Finds a head in what a socket gave: whole in one chunk (the usual case, nothing is copied) or in pieces.
import type { WireLimits } from '../http/limits.ts';
import { Head } from './head.ts';
import { latin1 } from './latin1.ts';
import { parseRequestHead, parseResponseHead } from './parse-head.ts';
import { maxHeadBytes, PartialHead, type HeadParser } from './partial-head.ts';

/** Filled by each `read` that returns ≥ 0; shared by all connections, since nothing else runs meanwhile. */
export const REQUEST_HEAD: Head = new Head('PF_BAD_REQUEST');
export const RESPONSE_HEAD: Head = new Head('PF_UPSTREAM_PROTOCOL');

const WINDOW_BYTES = 2_048; // most heads are shorter, and content behind them is not turned into text

/** What is left over between two chunks; undefined between messages, so that an idle connection keeps nothing. */
export class HeadReader {
  private partial: PartialHead | undefined = undefined;

  /** True while a head has begun and is not whole. The empty line that may stand before a request is none of it. */
  get hasBegun(): boolean {
    return this.partial !== undefined && !this.partial.isBlank;
  }

  /** As `read`, for requests: fills REQUEST_HEAD. One empty line before it is passed over (RFC 9112 §2.2). */
  readRequest(chunk: Buffer, offset: number, limits: WireLimits): number {
    return this.read(chunk, offset, limits, REQUEST_HEAD, parseRequestHead);
  }

  /** As `read`, for answers: fills RESPONSE_HEAD. */
  readResponse(chunk: Buffer, offset: number, limits: WireLimits): number {
    return this.read(chunk, offset, limits, RESPONSE_HEAD, parseResponseHead);
  }

  /**
   * Reads on at `chunk[offset, …)`.
   * @returns the offset behind the head, or -1 where all was taken and more is needed.
   * @throws ProxyError where it is no valid head.
   */
  private read(chunk: Buffer, offset: number, limits: WireLimits, head: Head, parse: HeadParser): number {
    if (this.partial === undefined) {
      const rest = chunk.length - offset;
      let text = latin1(chunk, offset, offset + Math.min(rest, WINDOW_BYTES));
      let end = text.indexOf('\r\n\r\n');
      if (end < 0 && rest > WINDOW_BYTES) {
        text = latin1(chunk, offset, offset + Math.min(rest, maxHeadBytes(limits)));
        end = text.indexOf('\r\n\r\n');
      }
      if (end >= 0) {
        parseAt(offset === 0 ? chunk : chunk.subarray(offset), text, end, limits, head, parse);
        return offset + end + 4;
      }
      this.partial = new PartialHead(false);
    }
    const taken = this.partial.take(chunk, offset, limits, head, parse);
    if (taken < 0) return -1;
    const { partial } = this;
    this.partial = undefined;
    const text = partial.text();
    parseAt(partial.bytes, text, text.length - 4, limits, head, parse);
    return offset + taken;
  }
}

/** The head is `text[0, end)`, the same as `bytes`, and two line ends. */
function parseAt(
  bytes: Uint8Array,
  text: string,
  end: number,
  limits: WireLimits,
  head: Head,
  parse: HeadParser,
): void {
  const start = head === REQUEST_HEAD && bytes[0] === 0x0d && bytes[1] === 0x0a ? 2 : 0;
  // `\r\n\r\n` at the very start: a second empty line, or an answer without a status line.
  if (end < start) throw head.fail('an empty start line');
  parse(bytes, text, start, end + 2, limits, head);
}
