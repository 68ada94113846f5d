// HOT PATH. Takes the chunked framing off a body (RFC 9112 §7.1): any split, nothing lenient, extensions checked and forgotten.
import { removeNamed } from '../http/accept.ts';
import type { Body } from '../http/body.ts';
import { TOKEN } from '../http/field.ts';
import type { Headers } from '../http/headers.ts';
import { part } from '../http/lease.ts';
import type { WireLimits } from '../http/limits.ts';
import { parseTrailers, VALUE_CHAR } from './fields.ts';
import type { Head } from './head.ts';
import { PartialHead } from './partial-head.ts';

const CR = 0x0d;
const LF = 0x0a;
const MAX_SIZE_DIGITS = 13; // 52 bits

const SIZE = 0;
const SIZE_LF = 1;
const DATA = 2;
const DATA_CR = 3;
const DATA_LF = 4;
const TRAILER_START = 5;
const TRAILER_END_LF = 6;
const TRAILERS = 7;
const EXTENSION_NAME = 8;
const EXTENSION_VALUE = 9;
const EXTENSION_TOKEN = 10;
const EXTENSION_QUOTED = 11;
const EXTENSION_ESCAPED = 12;
const EXTENSION_QUOTE_END = 13;
const DONE = 14;

/** One for each chunked body. */
export class ChunkedDecoder {
  /** Of the complete body. */
  trailers: Headers | undefined = undefined;
  private readonly limits: WireLimits;
  private readonly head: Head;
  /** What the message's `Connection` named: no trailer of such a name goes further, either (RFC 9110 §7.6.1). */
  private readonly connection: string;
  private state = SIZE;
  private size = 0;
  private digits = 0;
  private extensionBytes = 0;
  private isNameEmpty = true;
  private section: PartialHead | undefined = undefined;

  /** @param head that of the message, just read: it tells whose errors these are, and reads the trailers. */
  constructor(limits: WireLimits, head: Head) {
    this.limits = limits;
    this.head = head;
    this.connection = head.connection;
  }

  get isDone(): boolean {
    return this.state === DONE;
  }

  /**
   * Pushes the content in `chunk[offset, …)` to `body`.
   * @returns the offset behind what belongs to the body: `chunk.length`, unless it is done.
   * @throws ProxyError where the framing is broken.
   */
  feed(chunk: Buffer, offset: number, body: Body): number {
    let at = offset;
    while (at < chunk.length && this.state !== DONE) {
      if (this.state === DATA) {
        const end = Math.min(chunk.length, at + this.size);
        body.push(part(chunk, at, end));
        this.size -= end - at;
        at = end;
        if (this.size === 0) this.state = DATA_CR;
      } else if (this.state === TRAILERS) {
        at = this.feedTrailers(chunk, at);
      } else {
        this.step(chunk[at++] ?? 0);
      }
    }
    return at;
  }

  private step(byte: number): void {
    switch (this.state) {
      case SIZE:
        this.stepSize(byte);
        return;
      case SIZE_LF:
        this.expect(byte, LF);
        this.state = this.size === 0 ? TRAILER_START : DATA;
        return;
      case DATA_CR:
        this.expect(byte, CR);
        this.state = DATA_LF;
        return;
      case DATA_LF:
        this.expect(byte, LF);
        this.size = 0;
        this.digits = 0;
        this.state = SIZE;
        return;
      case TRAILER_START:
        if (byte === CR) {
          this.state = TRAILER_END_LF;
        } else {
          if (TOKEN[byte] === 0) throw this.head.fail('a trailer without a valid name');
          this.section = new PartialHead(true);
          this.section.start(byte);
          this.state = TRAILERS;
        }
        return;
      case TRAILER_END_LF:
        this.expect(byte, LF);
        this.state = DONE;
        return;
      default:
        this.stepExtension(byte);
    }
  }

  private stepSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++this.digits > MAX_SIZE_DIGITS) throw this.head.fail('a chunk size that is too large');
      this.size = this.size * 16 + digit;
      return;
    }
    if (this.digits === 0) throw this.head.fail('a chunk without a size');
    if (byte === CR) this.state = SIZE_LF;
    else if (byte === 0x3b) this.beginExtension();
    else throw this.head.fail('a character that no chunk size may hold');
  }

  /** `;name`, `;name=token`, `;name="quoted"`, any number of them, without whitespace (RFC 9112 §7.1.1). */
  private stepExtension(byte: number): void {
    if (++this.extensionBytes > this.limits.chunkExtensionBytes) throw this.head.fail('chunk extensions are too long');
    switch (this.state) {
      case EXTENSION_NAME:
        if (TOKEN[byte] !== 0) this.isNameEmpty = false;
        else if (this.isNameEmpty) throw this.head.fail('a chunk extension without a name');
        else if (byte === 0x3d) this.state = EXTENSION_VALUE;
        else this.endExtension(byte);
        return;
      case EXTENSION_VALUE:
        if (byte === 0x22) this.state = EXTENSION_QUOTED;
        else if (TOKEN[byte] !== 0) this.state = EXTENSION_TOKEN;
        else throw this.head.fail('a chunk extension without a value');
        return;
      case EXTENSION_TOKEN:
        if (TOKEN[byte] === 0) this.endExtension(byte);
        return;
      case EXTENSION_QUOTED:
        if (byte === 0x22) this.state = EXTENSION_QUOTE_END;
        else if (byte === 0x5c) this.state = EXTENSION_ESCAPED;
        else if (VALUE_CHAR[byte] !== 1) throw this.head.fail('a character that no chunk extension may hold');
        return;
      case EXTENSION_ESCAPED:
        if (VALUE_CHAR[byte] !== 1) throw this.head.fail('a character that no chunk extension may hold');
        this.state = EXTENSION_QUOTED;
        return;
      default:
        this.endExtension(byte);
    }
  }

  private beginExtension(): void {
    this.extensionBytes++;
    this.isNameEmpty = true;
    this.state = EXTENSION_NAME;
  }

  private endExtension(byte: number): void {
    if (byte === CR) this.state = SIZE_LF;
    else if (byte === 0x3b) this.beginExtension();
    else throw this.head.fail('a character that no chunk extension may hold');
  }

  private feedTrailers(chunk: Buffer, at: number): number {
    const section = this.section;
    if (section === undefined) return chunk.length;
    const taken = section.take(chunk, at, this.limits, this.head, checkTrailers);
    if (taken < 0) return chunk.length;
    const text = section.text();
    const trailers = parseTrailers(section.bytes, text, text.length - 2, this.limits, this.head);
    if (trailers !== undefined && this.connection !== '') removeNamed(trailers, this.connection);
    this.trailers = trailers?.size === 0 ? undefined : trailers;
    this.section = undefined;
    this.state = DONE;
    return at + taken;
  }

  private expect(byte: number, wanted: number): void {
    if (byte !== wanted) throw this.head.fail('a line or a chunk that does not end with CRLF');
  }
}

function checkTrailers(
  bytes: Uint8Array,
  text: string,
  _start: number,
  end: number,
  limits: WireLimits,
  head: Head,
): void {
  parseTrailers(bytes, text, end, limits, head);
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
