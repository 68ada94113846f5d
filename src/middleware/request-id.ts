// HOT PATH. Gives every request an id that stays the same from hop to hop.
import { FIELD } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';
import type { Clock } from '../util/clock.ts';

const MAX_CHARS = 128;
const ID = /^[A-Za-z0-9._~:+/=@-]+$/;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Keeps a valid `x-request-id` (1..128 characters, no spaces, nothing that a log would have to escape), else makes one. Several ids count as none. */
export function requestId(request: ProxyRequest, clock: Clock): void {
  const { headers } = request;
  const index = headers.ids.indexOf(FIELD['x-request-id']);
  if (index >= 0) {
    const given = headers.pairs[2 * index + 1] ?? '';
    if (given.length <= MAX_CHARS && ID.test(given) && !headers.ids.includes(FIELD['x-request-id'], index + 1)) {
      request.id = given;
      return;
    }
    headers.delete('x-request-id');
  }
  request.id = uuid(clock);
  headers.append('X-Request-Id', request.id, FIELD['x-request-id']);
}

/** A UUID of version 4 (RFC 9562 §5.4). It names a request and guards nothing, so `clock.random` is enough, at a tenth of the cost. */
function uuid(clock: Clock): string {
  const [a, b, c, d] = [word(clock), word(clock), word(clock), word(clock)];
  return (
    hex4(a >>> 16) +
    hex4(a) +
    '-' +
    hex4(b >>> 16) +
    '-' +
    hex4((b & 0x0fff) | 0x4000) +
    '-' +
    hex4(((c >>> 16) & 0x3fff) | 0x8000) +
    '-' +
    hex4(c) +
    hex4(d >>> 16) +
    hex4(d)
  );
}

function word(clock: Clock): number {
  return (clock.random() * 4_294_967_296) | 0;
}

function hex4(bits: number): string {
  return (HEX[(bits >>> 8) & 0xff] ?? '') + (HEX[bits & 0xff] ?? '');
}
