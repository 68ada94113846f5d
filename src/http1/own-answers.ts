// Answers to requests that no layer is asked about.
import { ALLOWED_METHODS } from '../http/accept.ts';
import { Headers } from '../http/headers.ts';
import { ProxyResponse } from '../http/message.ts';

/** "Go on": every HTTP/1.1 client has to bear it before its answer, asked or not (RFC 9110 §15.2). */
export const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

/** To OPTIONS that may go no further (RFC 9110 §7.6.2). */
export function answerOptions(): ProxyResponse {
  return new ProxyResponse(200, Headers.of(['Allow', ALLOWED_METHODS], ['Content-Length', '0']));
}
