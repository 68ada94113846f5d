// HOT PATH. Gives every request an id that stays the same from hop to hop.
import { FIELD } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';
import type { Clock } from '../util/clock.ts';

const MAX_CHARS = 128;
const ID = /^[A-Za-z0-9._~:+/=@-]+$/;
const HEX = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const DASH = 0x2d;
const VERSION_4 = 0x34;

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
  const a = word(clock);
  const b = word(clock);
  const c = word(clock);
  const d = word(clock);
  // One flat string: pieces put together would be joined once more when they are written.
  // prettier-ignore
  return String.fromCharCode(
    hex(a, 28), hex(a, 24), hex(a, 20), hex(a, 16), hex(a, 12), hex(a, 8), hex(a, 4), hex(a, 0), DASH,
    hex(b, 28), hex(b, 24), hex(b, 20), hex(b, 16), DASH,
    VERSION_4, hex(b, 8), hex(b, 4), hex(b, 0), DASH,
    HEX[8 | ((c >>> 28) & 3)] as number, hex(c, 24), hex(c, 20), hex(c, 16), DASH,
    hex(c, 12), hex(c, 8), hex(c, 4), hex(c, 0),
    hex(d, 28), hex(d, 24), hex(d, 20), hex(d, 16), hex(d, 12), hex(d, 8), hex(d, 4), hex(d, 0),
  );
}

function word(clock: Clock): number {
  return (clock.random() * 4_294_967_296) | 0;
}

/** The character of four bits of a word. */
function hex(word: number, shift: number): number {
  return HEX[(word >>> shift) & 0xf] as number;
}
