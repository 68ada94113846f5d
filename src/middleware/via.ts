// HOT PATH. Marks that a request passed here, and refuses one that comes back (RFC 9110 §7.6.3).
import { randomBytes } from 'node:crypto';
import { ProxyError } from '../errors.ts';
import { FIELD } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';

/**
 * One listener's mark. The pseudonym is random per process and listener, so that only a listener that meets its own
 * mark has met a loop: two sidecars in a chain, or both listeners of one, are none.
 */
export class Via {
  private readonly pseudonym = `pilotfish-${randomBytes(6).toString('hex')}`;
  /** By the version that the client spoke. */
  private readonly marks: Readonly<Record<ProxyRequest['httpVersion'], string>> = {
    10: `1.0 ${this.pseudonym}`,
    11: `1.1 ${this.pseudonym}`,
    20: `2 ${this.pseudonym}`,
  };

  /** @throws ProxyError PF_LOOP where the request has been here before. */
  mark(request: ProxyRequest): void {
    const { headers } = request;
    const own = this.marks[request.httpVersion];
    const index = headers.ids.indexOf(FIELD.via);
    if (index < 0) {
      headers.append('Via', own, FIELD.via);
      return;
    }
    for (let at = index; at >= 0; at = headers.ids.indexOf(FIELD.via, at + 1)) {
      if ((headers.pairs[2 * at + 1] ?? '').includes(this.pseudonym)) {
        throw new ProxyError(
          'PF_LOOP',
          `the ${request.direction} listener met its own mark in Via: the route leads back here`,
        );
      }
    }
    const last = headers.ids.lastIndexOf(FIELD.via);
    headers.pairs[2 * last + 1] = `${headers.pairs[2 * last + 1] ?? ''}, ${own}`;
  }
}
