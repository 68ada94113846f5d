// HOT PATH. How an answer to a client is framed (RFC 9112 §6.3).
import type { ProxyRequest, ProxyResponse } from '../http/message.ts';
import { FRAMING_ABSENT, FRAMING_CHUNKED, FRAMING_CLOSE, FRAMING_NONE } from './serialize.ts';

/** True for answers that never have content: to HEAD, 204, 304. */
export function isBodyless(response: ProxyResponse, request: ProxyRequest): boolean {
  return request.method === 'HEAD' || response.status === 204 || response.status === 304;
}

/** A length, or one of the FRAMING constants. Without content, Content-Length is the answer's own, or what its content would have had. */
export function answerFraming(response: ProxyResponse, request: ProxyRequest): number {
  const { body, status } = response;
  if (status === 204) return FRAMING_NONE;
  if (isBodyless(response, request)) {
    return status === 304 || body.isEmpty || body.length === undefined ? FRAMING_ABSENT : body.length;
  }
  if (body.isEmpty) return 0;
  return body.length ?? (request.httpVersion === 11 ? FRAMING_CHUNKED : FRAMING_CLOSE);
}

/** The line that tells a client whether the connection persists (RFC 9112 §9.3): nothing where that is what its version expects. */
export function connectionField(mayReuse: boolean, request: ProxyRequest): string {
  if (!mayReuse) return 'Connection: close\r\n';
  return request.httpVersion === 10 ? 'Connection: keep-alive\r\n' : '';
}
