// HOT PATH. Field lines of heads and trailer sections: one pass over the characters, no object for a field.
import {
  ADDED_FIELDS,
  FIELD,
  FIELD_ALIAS,
  FIELD_KIND,
  fieldIdOf,
  KIND_ADDED,
  KIND_FRAMING,
  KIND_HOP,
  KIND_NO_TRAILER,
  mixFieldHash,
  TOKEN,
} from '../http/field.ts';
import type { Headers } from '../http/headers.ts';
import type { WireLimits } from '../http/limits.ts';
import type { Head } from './head.ts';

const TAB = 0x09;

/** 1 where a byte may stand in a field value: visible characters, space, tab, and bytes ≥ 0x80 (RFC 9110 §5.5). */
export const VALUE_CHAR: Uint8Array = new Uint8Array(256).fill(1);
VALUE_CHAR.fill(0, 0, 0x20);
VALUE_CHAR[TAB] = 1;
VALUE_CHAR[0x7f] = 0;

const MAX_LENGTH_DIGITS = 15; // stays below 2^53

const {
  host: ID_HOST,
  'content-length': ID_CONTENT_LENGTH,
  'transfer-encoding': ID_TRANSFER_ENCODING,
  connection: ID_CONNECTION,
  upgrade: ID_UPGRADE,
  te: ID_TE,
  'keep-alive': ID_KEEP_ALIVE,
} = FIELD;

/** 1 for ids that are not simply put into `headers`. */
const IS_SPECIAL = FIELD_KIND.map((kind) => ((kind & (KIND_HOP | KIND_FRAMING)) === 0 ? 0 : 1));
IS_SPECIAL[FIELD_ALIAS] = 1;

/**
 * Reads the field lines in `bytes[at, end)`, each with its CRLF, into `head.headers` and the values beside it.
 * In a trailer section, fields that may not stand there are refused in requests and dropped in answers.
 * @param text the same bytes as latin1: looking at them costs more there, cutting less.
 * @throws ProxyError of `head.code`; 431 where the limits are passed.
 */
export function parseFields(
  bytes: Uint8Array,
  text: string,
  at: number,
  end: number,
  limits: WireLimits,
  head: Head,
  isTrailer: boolean,
): void {
  if (end - at > limits.headerBlockBytes) throw head.fail('the fields are too long', 431);
  const { pairs, ids } = head.headers;
  const maxCount = isTrailer ? limits.headerCount : limits.headerCount + ADDED_FIELDS;
  let count = 0;
  while (at < end) {
    if (++count > maxCount) throw head.fail('too many fields', 431);
    const start = at;
    let hash = 0;
    for (let byte = TOKEN[bytes[at] as number] as number; byte !== 0; byte = TOKEN[bytes[++at] as number] as number)
      hash = mixFieldHash(hash, byte);
    const nameEnd = at;
    if (nameEnd === start || bytes[at] !== 0x3a) throw head.fail('a field line without a valid name');
    do at++;
    while (isBlank(bytes[at]));
    const value = at;
    while (VALUE_CHAR[bytes[at] as number] === 1) at++;
    if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a) throw head.fail('a character that no field value may hold');
    let valueEnd = at;
    at += 2;
    while (valueEnd > value && isBlank(bytes[valueEnd - 1])) valueEnd--;
    const name = text.substring(start, nameEnd);
    const id = fieldIdOf(name, hash);
    if (isTrailer) {
      if (!mayTrail(head, id)) continue;
    } else if (IS_SPECIAL[id] === 1) {
      // Servers do not agree on whitespace around this one, and so on where a message ends: exactly `chunked`.
      if (id === ID_TRANSFER_ENCODING && (valueEnd !== at - 2 || bytes.subarray(nameEnd, value).includes(TAB)))
        throw head.fail('Transfer-Encoding has whitespace around its coding');
      if (!takeSpecial(head, id, text.substring(value, valueEnd))) continue;
    }
    pairs.push(name, text.substring(value, valueEnd));
    ids.push(id);
  }
  if (count > limits.headerCount && count - countAdded(ids) > limits.headerCount)
    throw head.fail('too many fields', 431);
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === TAB;
}

/** Fields that the sidecar before us may have added to as many as it lets pass: they do not count. */
function countAdded(ids: readonly number[]): number {
  let added = 0;
  for (const id of ids) if (((FIELD_KIND[id] ?? 0) & KIND_ADDED) !== 0) added++;
  return Math.min(added, ADDED_FIELDS);
}

/** Takes note of a field that frames, routes or concerns this hop; true where it stays in the headers nevertheless. */
function takeSpecial(head: Head, id: number, value: string): boolean {
  switch (id) {
    case ID_HOST:
      if (head.code !== 'PF_BAD_REQUEST') return true;
      if (head.host !== undefined) throw head.fail('more than one Host');
      head.host = value;
      return true;
    case ID_CONTENT_LENGTH:
      if (head.contentLength >= 0) throw head.fail('more than one Content-Length');
      head.contentLength = parseLength(head, value);
      return true;
    case ID_TRANSFER_ENCODING:
      if (value === '' || head.transferEncoding !== '') throw head.fail('Transfer-Encoding is not one coding');
      head.transferEncoding = value;
      return false;
    case ID_CONNECTION:
      head.connection = joined(head.connection, value);
      return false;
    case ID_UPGRADE:
      head.upgrade = joined(head.upgrade, value);
      return false;
    case ID_TE:
      head.te = joined(head.te, value);
      return false;
    case ID_KEEP_ALIVE:
      head.keepAlive = joined(head.keepAlive, value);
      return false;
    default:
      return false;
  }
}

function mayTrail(head: Head, id: number): boolean {
  if (id !== FIELD_ALIAS && ((FIELD_KIND[id] ?? 0) & KIND_NO_TRAILER) === 0) return true;
  if (head.code === 'PF_BAD_REQUEST') throw head.fail('a field that may not stand in a trailer section');
  return false;
}

/** Digits only, without a needless zero in front (which some read as octal). */
function parseLength(head: Head, value: string): number {
  const digits = value.length;
  let length = 0;
  for (let at = 0; at < digits; at++) {
    const digit = value.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) throw head.fail('Content-Length is not a number');
    length = length * 10 + digit;
  }
  if (digits === 0 || digits > MAX_LENGTH_DIGITS || (digits > 1 && value.charCodeAt(0) === 0x30))
    throw head.fail('Content-Length is not a number');
  return length;
}

function joined(list: string, value: string): string {
  return list === '' ? value : `${list},${value}`;
}

/** A trailer section on its own: `text[0, end)`, the same as `bytes`, holds whole lines. Undefined where nothing is left of it. */
export function parseTrailers(
  bytes: Uint8Array,
  text: string,
  end: number,
  limits: WireLimits,
  head: Head,
): Headers | undefined {
  head.reset();
  parseFields(bytes, text, 0, end, limits, head, true);
  return head.headers.size === 0 ? undefined : head.headers;
}
