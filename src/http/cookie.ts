// HOT PATH where a policy asks for one. Cookies of a request, read without taking them all apart.
import { FIELD } from './field.ts';
import type { Headers } from './headers.ts';

const SEMICOLON = 0x3b;
const SPACE = 0x20;
const TAB = 0x09;

/** The value of the first cookie of that name (RFC 6265 §4.2.1; names are case-sensitive), as it stands; undefined where there is none. */
export function cookieValue(headers: Headers, name: string): string | undefined {
  const { ids, pairs } = headers;
  for (let index = ids.indexOf(FIELD.cookie); index >= 0; index = ids.indexOf(FIELD.cookie, index + 1)) {
    const value = valueIn(pairs[2 * index + 1] ?? '', name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function valueIn(field: string, name: string): string | undefined {
  for (let at = field.indexOf(name); at >= 0; at = field.indexOf(name, at + name.length)) {
    const equals = at + name.length;
    if (field.charCodeAt(equals) !== 0x3d || !beginsCookie(field, at)) continue;
    const semicolon = field.indexOf(';', equals);
    return field.slice(equals + 1, semicolon < 0 ? field.length : semicolon).trim();
  }
  return undefined;
}

function beginsCookie(field: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && (field.charCodeAt(before) === SPACE || field.charCodeAt(before) === TAB)) before--;
  return before < 0 || field.charCodeAt(before) === SEMICOLON;
}
