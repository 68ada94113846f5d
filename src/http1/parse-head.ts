// HOT PATH. Reads one message head by RFC 9112 and nothing looser: first a start line, then field lines into flat arrays.
import type { ProxyError } from '../errors.ts';
import { TOKEN } from '../http/field.ts';
import type { WireLimits } from '../http/limits.ts';
import { TARGET_CHAR } from '../http/target.ts';
import { parseFields, VALUE_CHAR } from './fields.ts';
import type { Head } from './head.ts';

/**
 * Reads `bytes[start, end)`, which `text` holds as latin1: a request line and field lines, each with its CRLF, without the blank line; it ends with CRLF.
 * @throws ProxyError `PF_BAD_REQUEST` with the status that fits.
 */
export function parseRequestHead(
  bytes: Uint8Array,
  text: string,
  start: number,
  end: number,
  limits: WireLimits,
  head: Head,
): void {
  head.reset();
  let at = start;
  if (text.startsWith('GET ', at)) {
    head.method = 'GET';
    at += 3;
  } else {
    while (TOKEN[bytes[at] as number] !== 0) at++;
    if (at === start || bytes[at] !== 0x20) throw head.fail('request line: no valid method');
    if (at - start > limits.methodChars) throw head.fail('request line: the method is too long');
    head.method = text.substring(start, at);
  }
  const target = ++at;
  while (TARGET_CHAR[bytes[at] as number] === 1) at++;
  if (at - start > limits.requestLineBytes - 11) throw head.fail('the request line is too long', 414);
  if (at === target || bytes[at] !== 0x20) throw head.fail('request line: no valid target, or no version');
  head.target = text.substring(target, at);
  if (text.startsWith(' HTTP/1.1\r\n', at)) head.version = 11;
  else if (text.startsWith(' HTTP/1.0\r\n', at)) head.version = 10;
  else throw badVersion(text, at, head);
  parseFields(bytes, text, at + 11, end, limits, head, false);
  frame(head);
}

/** As `parseRequestHead`, for a status line. @throws ProxyError `PF_UPSTREAM_PROTOCOL`. */
export function parseResponseHead(
  bytes: Uint8Array,
  text: string,
  start: number,
  end: number,
  limits: WireLimits,
  head: Head,
): void {
  head.reset();
  if (text.startsWith('HTTP/1.1 ', start)) head.version = 11;
  else if (text.startsWith('HTTP/1.0 ', start)) head.version = 10;
  else throw head.fail('status line: no version that is known here');
  let at = start + 9;
  const status = digit(bytes[at]) * 100 + digit(bytes[at + 1]) * 10 + digit(bytes[at + 2]);
  if (!(status >= 100 && status <= 599)) throw head.fail('status line: no valid status');
  head.status = status;
  at += 3;
  if (text.startsWith(' OK\r\n', at)) {
    head.reason = 'OK';
    at += 3;
  } else {
    // RFC 9112 §4: the space stands even where the phrase is empty; without either, many servers leave both out.
    const from = at + 1;
    if (bytes[at] === 0x20) {
      at++;
      while (VALUE_CHAR[bytes[at] as number] === 1) at++;
    }
    if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a)
      throw head.fail('status line: a character that no reason phrase may hold');
    head.reason = text.substring(from, Math.max(from, at));
    if (at - start > limits.requestLineBytes) throw head.fail('the status line is too long');
  }
  parseFields(bytes, text, at + 2, end, limits, head, false);
  frame(head);
}

/** Decides how the content is framed (RFC 9112 §6), as far as the head alone can tell. */
function frame(head: Head): void {
  if (head.transferEncoding === '') return;
  if (head.version === 10) throw head.fail('Transfer-Encoding in HTTP/1.0');
  if (head.contentLength >= 0) throw head.fail('Content-Length beside Transfer-Encoding');
  const coding = head.transferEncoding;
  if (coding !== 'chunked' && coding.toLowerCase() !== 'chunked') {
    const isUnknown = /^[a-z0-9-]+$/i.test(coding) && !/chunked|identity/i.test(coding);
    throw head.fail('Transfer-Encoding is not chunked', isUnknown ? 501 : 400);
  }
  head.isChunked = true;
}

function badVersion(text: string, at: number, head: Head): ProxyError {
  const isVersion = /^ HTTP\/\d\.\d\r\n$/.test(text.substring(at, at + 11));
  return isVersion
    ? head.fail('request line: a version that is not known here', 505)
    : head.fail('request line: no valid version');
}

function digit(byte: number | undefined): number {
  const value = (byte ?? 0) - 0x30;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}
