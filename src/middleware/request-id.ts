// HOT PATH. Gives every request an id that stays the same from hop to hop.
import { randomUUID } from 'node:crypto';
import { FIELD } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';

const MAX_CHARS = 128;
const ID = /^[A-Za-z0-9._~:+/=@-]+$/;

/** Keeps a valid `x-request-id` (1..128 characters, no spaces, nothing that a log would have to escape), else makes a UUID. Several ids count as none. */
export function requestId(request: ProxyRequest): void {
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
  request.id = randomUUID();
  headers.append('X-Request-Id', request.id, FIELD['x-request-id']);
}
