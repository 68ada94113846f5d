// A head that came in pieces: kept until it is whole, bounded, and looked at early so that garbage is not waited for.
import type { WireLimits } from '../http/limits.ts';
import type { Head } from './head.ts';
import { latin1 } from './latin1.ts';

const FIRST_BYTES = 1_024;
const CR = 0x0d;
const LF = 0x0a;

export type HeadParser = (
  bytes: Uint8Array,
  text: string,
  start: number,
  end: number,
  limits: WireLimits,
  head: Head,
) => void;

/** Looks for the blank line that ends a head, or a trailer section. */
export class PartialHead {
  private readonly isTrailers: boolean;
  /** More than `length` of them may be there. */
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private length = 0;
  private checkedLength = 0;

  constructor(isTrailers: boolean) {
    this.isTrailers = isTrailers;
  }

  /**
   * Takes bytes until the head is whole.
   * @returns how many of `chunk[offset, …)` belong to the head when it is whole now, -1 when all were taken and more is needed.
   */
  take(chunk: Buffer, offset: number, limits: WireLimits, head: Head, parse: HeadParser): number {
    const before = this.length;
    const maxBytes = maxHeadBytes(limits);
    const count = Math.min(chunk.length - offset, maxBytes + 1 - before);
    this.append(chunk, offset, count);
    const end = this.bytes.subarray(0, this.length).indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1');
    if (end >= 0) {
      this.length = end + 4;
      return end + 4 - before;
    }
    const hasNewLine = chunk.subarray(offset, offset + count).includes(LF);
    if (hasNewLine || this.length >= 2 * this.checkedLength || this.length > maxBytes)
      this.check(limits, head, parse, this.length > maxBytes);
    return -1;
  }

  /** True while nothing but a line end, or its beginning, has come. */
  get isBlank(): boolean {
    return this.length <= 2 && this.bytes[0] === CR;
  }

  /** A first byte that was looked at before it was known to belong here. */
  start(byte: number): void {
    this.bytes[0] = byte;
    this.length = 1;
  }

  /** The whole head, with its blank line. */
  text(): string {
    return latin1(this.bytes, 0, this.length);
  }

  /** Refuses what can never become a head. Runs once for a line, or when the length has doubled: the cost stays bounded. */
  private check(limits: WireLimits, head: Head, parse: HeadParser, isTooLong: boolean): void {
    this.checkedLength = this.length;
    const text = this.text();
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1))
      if (at === 0 || text.charCodeAt(at - 1) !== CR) throw head.fail('a bare line feed');
    for (let at = text.indexOf('\r'); at >= 0 && at + 1 < text.length; at = text.indexOf('\r', at + 1))
      if (text.charCodeAt(at + 1) !== LF) throw head.fail('a bare carriage return');
    const start = head.code === 'PF_BAD_REQUEST' && text.startsWith('\r\n') ? 2 : 0;
    const end = text.lastIndexOf('\r\n') + 2;
    if (end > start + 1) parse(this.bytes, text, start, end, limits, head);
    else if (!this.isTrailers) checkStart(text, start, limits, head);
    if (isTooLong) throw head.fail('the fields are too long', 431);
  }

  private append(chunk: Buffer, offset: number, count: number): void {
    const needed = this.length + count;
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    chunk.copy(this.bytes, this.length, offset, offset + count);
    this.length = needed;
  }
}

/** A start line of which the end has not come. */
function checkStart(text: string, start: number, limits: WireLimits, head: Head): void {
  if (text.length - start > limits.requestLineBytes) throw head.fail('the start line is too long', 414);
  const isPossible =
    head.code === 'PF_BAD_REQUEST'
      ? /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*(?: [!-"$-~]*(?: [HTP/\d.]*)?)?\r?$/.test(text.slice(start))
      : text.startsWith('HTTP/1.'.slice(0, text.length));
  if (!isPossible) throw head.fail('no valid start line');
}

/** Start line, fields and the blank line, with a line end that a client may send before a request. */
export function maxHeadBytes(limits: WireLimits): number {
  return limits.requestLineBytes + limits.headerBlockBytes + 6;
}
