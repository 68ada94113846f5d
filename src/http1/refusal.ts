// The answer to a message that is no request, as one text.
import type { ProxyError } from '../errors.ts';
import { ALLOWED_METHODS } from '../http/accept.ts';
import type { ServingContext } from '../http/serving.ts';
import { responseHead } from './serialize.ts';
import { joinWhole } from './whole.ts';

export interface Refusal {
  readonly text: string;
  /** Of its content. */
  readonly bytes: number;
}

/** What `context.rescue` makes of `error`, with `Connection: close`; a 405 gets its `Allow` (RFC 9110 §15.5.6). */
export function refusal(error: ProxyError, context: ServingContext): Refusal {
  const response = context.rescue(error, undefined);
  if (response.status === 405 && !response.headers.has('allow')) response.headers.append('Allow', ALLOWED_METHODS);
  const whole = response.body.takeWhole(Number.MAX_SAFE_INTEGER) ?? { content: [], trailers: undefined };
  const bytes = whole.content.reduce((sum, chunk) => sum + chunk.length, 0);
  const head = responseHead(response, bytes, 'Connection: close\r\n', context.clock);
  return { text: joinWhole(head, whole, bytes) ?? head, bytes };
}
