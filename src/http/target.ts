// HOT PATH. Whom and what a request is for: the one spelling of an authority and of a path that routes and upstreams see.
import { isUtf8 } from 'node:buffer';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { PathLooseness } from './limits.ts';

/** A request target taken apart. */
export interface Target {
  /** From an absolute-form target, lower case; undefined for the other forms. */
  readonly scheme: 'http' | 'https' | undefined;
  /** Likewise: in normal form. */
  readonly authority: string | undefined;
  /** In normal form, or `*`. */
  readonly path: string;
  /** With its `?`, as it came; empty where there was none. */
  readonly query: string;
}

const MAX_AUTHORITY_CHARS = 261; // a DNS name of 255, `:`, five digits

/** 1 where a character may stand in a name of a host: letters, digits, `-`, `.`, `_`; narrower than reg-name, so no `%`, `,`, `@`. */
const HOST_CHAR = new Uint8Array(128);
for (const code of Buffer.from('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._'))
  HOST_CHAR[code] = 1;

/** 1 where a character may stand in a request target: visible ASCII but `#` (a fragment is never sent, RFC 9110 §4.2.5). */
export const TARGET_CHAR = new Uint8Array(256);
for (let code = 0x21; code <= 0x7e; code++) TARGET_CHAR[code] = code === 0x23 ? 0 : 1;

/** 1 where a character of a path needs no second look. `/` is looked at for what follows it. */
const PLAIN_PATH_CHAR = TARGET_CHAR.slice();
for (const code of Buffer.from('%\\/?')) PLAIN_PATH_CHAR[code] = 0;

const UNRESERVED = new Uint8Array(256);
for (const code of Buffer.from('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~'))
  UNRESERVED[code] = 1;

/**
 * The normal form (lower case) of `host` or `host:port`; undefined where it is not a valid authority (RFC 9110 §7.2):
 * empty, userinfo, a list, an empty or impossible port, an unbracketed IPv6 address, an empty label.
 */
export function normalAuthority(text: string): string | undefined {
  const length = text.length;
  if (length === 0 || length > MAX_AUTHORITY_CHARS) return undefined;
  let end = 0;
  let hasUpper = false;
  if (text.charCodeAt(0) === 0x5b) {
    end = text.indexOf(']') + 1;
    const address = text.slice(1, end - 1);
    if (end === 0 || address.includes('%') || !isIPv6(address)) return undefined;
    hasUpper = true;
  } else {
    let previous = 0x2e;
    for (; end < length; end++) {
      const code = text.charCodeAt(end);
      if (code > 0x7f || HOST_CHAR[code] === 0) break;
      if (code === 0x2e && previous === 0x2e) return undefined;
      if (code >= 0x41 && code <= 0x5a) hasUpper = true;
      previous = code;
    }
    if (end === 0) return undefined;
  }
  if (end < length && !isPort(text, end)) return undefined;
  return hasUpper ? text.toLowerCase() : text;
}

/**
 * Takes a request target apart (RFC 9112 §3.2): origin-form, absolute-form with http or https, asterisk-form for OPTIONS.
 * @throws ProxyError `PF_BAD_REQUEST` for anything else, and for paths that `loose` does not keep.
 */
export function parseTarget(method: string, target: string, loose: PathLooseness): Target {
  for (let at = 0; at < target.length; at++) {
    const code = target.charCodeAt(at);
    if (code > 0x7f || TARGET_CHAR[code] === 0) throw bad('a character that no request target may hold');
  }
  if (target.charCodeAt(0) === 0x2f) return originForm(target, undefined, undefined, loose);
  if (target === '*') {
    if (method !== 'OPTIONS') throw bad('asterisk-form is for OPTIONS only');
    return { scheme: undefined, authority: undefined, path: '*', query: '' };
  }
  const scheme = schemeOf(target);
  if (scheme === undefined) throw bad('the target is neither a path nor an http or https URI');
  const start = scheme.length + 3;
  let end = start;
  while (end < target.length && target.charCodeAt(end) !== 0x2f && target.charCodeAt(end) !== 0x3f) end++;
  const authority = normalAuthority(target.slice(start, end));
  if (authority === undefined) throw bad('the authority of the target is not valid');
  if (end === target.length && method === 'OPTIONS') return { scheme, authority, path: '*', query: '' };
  const rest = target.charCodeAt(end) === 0x2f ? target.slice(end) : `/${target.slice(end)}`;
  return originForm(rest, scheme, authority, loose);
}

/**
 * The normal form of a path that starts with `/` and holds no query: dot segments resolved, repeated slashes merged,
 * unreserved characters decoded, the other percent signs with upper-case digits (RFC 3986 §6.2.2).
 * @throws ProxyError `PF_BAD_REQUEST` where two servers could read it in two ways and `loose` does not keep it.
 */
export function normalPath(path: string, loose: PathLooseness): string {
  const length = path.length;
  for (let at = 0; at < length; at++) {
    const code = path.charCodeAt(at);
    if (code < 0x80 && PLAIN_PATH_CHAR[code] === 1) continue;
    if (code !== 0x2f) return resolve(decode(path, loose), loose);
    const next = path.charCodeAt(at + 1);
    if (next === 0x2f || next === 0x2e) return resolve(decode(path, loose), loose);
  }
  return path;
}

function originForm(
  target: string,
  scheme: Target['scheme'],
  authority: string | undefined,
  loose: PathLooseness,
): Target {
  const mark = target.indexOf('?');
  if (mark < 0) return { scheme, authority, path: normalPath(target, loose), query: '' };
  return { scheme, authority, path: normalPath(target.slice(0, mark), loose), query: target.slice(mark) };
}

function isPort(text: string, colon: number): boolean {
  const digits = text.length - colon - 1;
  if (text.charCodeAt(colon) !== 0x3a || digits < 1 || digits > 5) return false;
  let port = 0;
  for (let at = colon + 1; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port >= 1 && port <= 65_535;
}

function schemeOf(target: string): 'http' | 'https' | undefined {
  const head = target.slice(0, 8).toLowerCase();
  if (head === 'https://') return 'https';
  return head.startsWith('http://') ? 'http' : undefined;
}

/** Percent signs: unreserved characters decoded, the others upper-cased; refuses what `loose` does not keep. */
function decode(path: string, loose: PathLooseness): string {
  let decoded = '';
  let sequence: number[] = []; // bytes ≥ 0x80 that stand side by side: together they have to be UTF-8
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at);
    const byte = code === 0x25 ? hexByte(path, at + 1) : code;
    if (byte >= 0x80) {
      sequence.push(byte);
    } else if (sequence.length > 0) {
      checkUtf8(sequence, loose);
      sequence = [];
    }
    if (code !== 0x25) {
      if (code > 0x7f || TARGET_CHAR[code] === 0) throw bad('a character that no path may hold');
      if (code === 0x5c && !loose.backslash) throw bad('a backslash in the path');
      decoded += path.charAt(at);
      continue;
    }
    if (UNRESERVED[byte] === 1) decoded += String.fromCharCode(byte);
    else if (byte === 0x2f && !loose.encodedSlash) throw bad('an encoded slash in the path');
    else if (byte === 0x5c && !loose.backslash) throw bad('an encoded backslash in the path');
    else if (byte === 0 && !loose.encodedNul) throw bad('an encoded NUL in the path');
    else decoded += path.slice(at, at + 3).toUpperCase();
    at += 2;
  }
  if (sequence.length > 0) checkUtf8(sequence, loose);
  return decoded;
}

/** Merges slashes, then resolves dot segments (RFC 3986 §5.2.4); what would climb above the root stays there. */
function resolve(path: string, loose: PathLooseness): string {
  const kept: string[] = [];
  const segments = path.split('/');
  for (let index = 1; index < segments.length; index++) {
    const segment = segments[index] ?? '';
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') {
      if (!loose.dotParameters && (segment.startsWith('.;') || segment.startsWith('..;')))
        throw bad('a dot segment with parameters in the path');
      kept.push(segment);
    }
  }
  const last = segments.at(-1);
  const isFolder = kept.length > 0 && (last === '' || last === '.' || last === '..');
  return `/${kept.join('/')}${isFolder ? '/' : ''}`;
}

function hexByte(text: string, at: number): number {
  const digits = text.slice(at, at + 2);
  if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw bad('a percent sign without two hexadecimal digits in the path');
  return Number.parseInt(digits, 16);
}

function checkUtf8(bytes: readonly number[], loose: PathLooseness): void {
  if (!loose.invalidUtf8 && !isUtf8(Buffer.from(bytes))) throw bad('percent-encoded bytes in the path are not UTF-8');
}

function bad(message: string): ProxyError {
  return new ProxyError('PF_BAD_REQUEST', `request target: ${message}`);
}
