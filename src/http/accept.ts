// HOT PATH. What a request has to be, and what is taken off it, before any layer sees it: the same for every HTTP version.
import { ProxyError } from '../errors.ts';
import { FIELD, FIELD_ALIAS, FIELD_KIND, KIND_FRAMING, KIND_HOP, KIND_OWN, TOKEN } from './field.ts';
import type { Headers } from './headers.ts';

/** What a `Connection` field asks for; bits. */
export const OPTION_CLOSE = 1;
export const OPTION_KEEP_ALIVE = 2;
export const OPTION_UPGRADE = 4;
/** It names other fields, which go no further: `removeNamed`. */
export const OPTION_NAMES = 8;

/** For `Allow` in our own answers to methods that are refused, and to `OPTIONS` with `Max-Forwards: 0`. */
export const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

const { expect: ID_EXPECT, 'max-forwards': ID_MAX_FORWARDS } = FIELD;

/** @throws ProxyError `PF_BAD_REQUEST` (405) for the methods that no sidecar passes on. */
export function checkMethod(method: string): void {
  if (method === 'CONNECT' || method === 'TRACE')
    throw new ProxyError('PF_BAD_REQUEST', `method ${method} is not passed on`, { status: 405 });
}

/**
 * Bits of all `Connection` options, `value` being a comma-joined list; undefined where it is no list of tokens,
 * or names a field that decides about framing or routing.
 */
export function connectionOptions(value: string): number | undefined {
  switch (value) {
    case 'keep-alive':
    case 'Keep-Alive':
      return OPTION_KEEP_ALIVE;
    case 'close':
      return OPTION_CLOSE;
    case 'Upgrade':
    case 'upgrade':
      return OPTION_UPGRADE;
  }
  let options = 0;
  for (const item of listItems(value)) {
    if (!isToken(item)) return undefined;
    switch (item) {
      case 'close':
        options |= OPTION_CLOSE;
        break;
      case 'keep-alive':
        options |= OPTION_KEEP_ALIVE;
        break;
      case 'upgrade':
        options |= OPTION_UPGRADE;
        break;
      case 'host':
      case 'content-length':
        return undefined;
      default:
        options |= OPTION_NAMES;
    }
  }
  return options;
}

/** Removes every field that `connection` names (RFC 9110 §7.6.1); those we frame by stay, the codec rewrites them. */
export function removeNamed(headers: Headers, connection: string): void {
  const names = new Set(listItems(connection));
  headers.removeWhere((id, name) => names.has(name.toLowerCase()) && ((FIELD_KIND[id] ?? 0) & KIND_FRAMING) === 0);
}

/**
 * Removes what concerns one hop alone, and names that only look like those we frame by, set or strip.
 * `TE` stays as `trailers`, where that was offered. For messages that did not come through the HTTP/1 parser,
 * which leaves these fields out while it reads.
 */
export function removeHopByHop(headers: Headers): void {
  const te = headers.getAll('te').join(',');
  headers.removeWhere((id) => id === FIELD_ALIAS || ((FIELD_KIND[id] ?? 0) & KIND_HOP) !== 0);
  if (offersTrailers(te)) headers.append('TE', 'trailers', FIELD.te);
}

/** Takes every `x-pilotfish-*` off: what sidecars say to each other, and nobody else may say for them. */
export function removeOwnFields(headers: Headers): void {
  const { ids } = headers;
  for (let index = 0; index < ids.length; index++) {
    if (isOwn(ids[index] ?? 0)) {
      headers.removeWhere(isOwn);
      return;
    }
  }
}

function isOwn(id: number): boolean {
  return ((FIELD_KIND[id] ?? 0) & KIND_OWN) !== 0;
}

/** True where a `TE` value lists `trailers` (RFC 9110 §10.1.4). */
export function offersTrailers(te: string): boolean {
  return te !== '' && listItems(te).some((item) => item === 'trailers');
}

/**
 * `Expect: 100-continue` stays and travels with the request; HTTP/1.0 knows none, so it is taken off there.
 * @returns true where the client waits for a 100.
 * @throws ProxyError `PF_BAD_REQUEST` (417) for any other expectation.
 */
export function checkExpectation(headers: Headers, version: 10 | 11 | 20, hasBody: boolean): boolean {
  const index = headers.ids.indexOf(ID_EXPECT);
  if (index < 0) return false;
  if (version === 10) {
    headers.delete('expect');
    return false;
  }
  const isSingle = headers.ids.indexOf(ID_EXPECT, index + 1) < 0;
  if (!isSingle || headers.pairs[2 * index + 1]?.toLowerCase() !== '100-continue')
    throw new ProxyError('PF_BAD_REQUEST', 'the only expectation that can be met is 100-continue', { status: 417 });
  return hasBody;
}

/**
 * `Max-Forwards` of an OPTIONS request (RFC 9110 §7.6.2): counted down by one.
 * @returns true where it is zero: the request is answered here.
 * @throws ProxyError `PF_BAD_REQUEST` where it is no number, or stands twice.
 */
export function countForwards(headers: Headers): boolean {
  const index = headers.ids.indexOf(ID_MAX_FORWARDS);
  if (index < 0) return false;
  const value = headers.pairs[2 * index + 1] ?? '';
  if (!/^\d{1,9}$/.test(value) || headers.ids.includes(ID_MAX_FORWARDS, index + 1))
    throw new ProxyError('PF_BAD_REQUEST', 'Max-Forwards is not one number');
  const left = Number(value);
  if (left === 0) return true;
  headers.pairs[2 * index + 1] = String(left - 1);
  return false;
}

/** True for a WebSocket handshake that may become a tunnel (RFC 6455 §4.1): the caller has checked method, version and body. */
export function isWebSocket(headers: Headers, upgrade: string): boolean {
  if (upgrade.toLowerCase() !== 'websocket') return false;
  const versions = headers.getAll('sec-websocket-version');
  const keys = headers.getAll('sec-websocket-key');
  return versions.length === 1 && versions[0] === '13' && keys.length === 1 && isWebSocketKey(keys[0] ?? '');
}

/** Sixteen bytes in base64. */
function isWebSocketKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key);
}

/** Items of a comma-separated list, in lower case, without the whitespace around them and without empty ones (RFC 9110 §5.6.1). */
function listItems(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((item) => item.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((item) => item !== '');
}

/** RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0xff || TOKEN[code] === 0) return false;
  }
  return text.length > 0;
}
