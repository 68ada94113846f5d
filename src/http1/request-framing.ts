// HOT PATH. How the content of a request is delimited on the wire (RFC 9112 §6.3).
import type { Body } from '../http/body.ts';
import { FIELD } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';
import { FRAMING_CHUNKED, FRAMING_NONE } from './serialize.ts';

/** A request without content says so where its method makes one expect some (RFC 9110 §8.6), or where it said so itself. */
export function requestFraming(request: ProxyRequest, content: Body): number {
  if (request.isUpgrade) return FRAMING_NONE;
  if (!content.isEmpty) return content.length ?? FRAMING_CHUNKED;
  const { method } = request;
  const isExpected = method === 'POST' || method === 'PUT' || method === 'PATCH';
  return isExpected || request.headers.hasId(FIELD['content-length']) ? 0 : FRAMING_NONE;
}
