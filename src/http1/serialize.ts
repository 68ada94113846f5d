// HOT PATH. Heads as they go out: one latin1 string each. What they are made of was validated when it came in.
import { FIELD } from '../http/field.ts';
import type { Headers } from '../http/headers.ts';
import type { ProxyRequest, ProxyResponse } from '../http/message.ts';
import type { Clock } from '../util/clock.ts';
import { httpDate } from './http-date.ts';

/** How the content is framed: a length ≥ 0, or one of these. */
export const FRAMING_CHUNKED = -1;
/** To the end of the connection: for HTTP/1.0 clients. */
export const FRAMING_CLOSE = -2;
/** There is none, and a Content-Length field, if there is one, is about something else: answers to HEAD, 304. */
export const FRAMING_ABSENT = -3;
/** There is none and nothing may speak of any: requests without content, 1xx, 204. */
export const FRAMING_NONE = -4;

const { 'content-length': ID_CONTENT_LENGTH, host: ID_HOST, te: ID_TE, date: ID_DATE } = FIELD;

const REASONS: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  102: 'Processing',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  508: 'Loop Detected',
};

/** The head of a request to an upstream, in HTTP/1.1. `Host` comes first where the message had none (HTTP/2). */
export function requestHead(request: ProxyRequest, framing: number): string {
  const { headers } = request;
  const target = request.query === '' ? request.path : request.path + request.query;
  let head = `${request.method} ${target} HTTP/1.1\r\n`;
  if (!headers.ids.includes(ID_HOST)) head += `Host: ${request.authority}\r\n`;
  let connection = request.isUpgrade ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n' : '';
  if (headers.ids.includes(ID_TE)) connection = connection === '' ? 'Connection: TE\r\n' : connection;
  return head + fieldLines(headers, framing) + framingLines(headers, framing) + connection + '\r\n';
}

/** The head of an answer. `connection` is its own lines for this hop, each with CRLF; a date is added where the answer has none. */
export function responseHead(response: ProxyResponse, framing: number, connection: string, clock: Clock): string {
  const { headers, status } = response;
  let head =
    status === 200 && (response.reason === 'OK' || response.reason === '')
      ? 'HTTP/1.1 200 OK\r\n'
      : `HTTP/1.1 ${status} ${response.reason === '' ? (REASONS[status] ?? '') : response.reason}\r\n`;
  head += fieldLines(headers, framing) + framingLines(headers, framing);
  if (!headers.ids.includes(ID_DATE)) head += `Date: ${httpDate(clock)}\r\n`;
  return head + connection + '\r\n';
}

/** An informational answer, which has neither content nor a word about the connection. */
export function informationalHead(status: number, headers: Headers): string {
  return `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\n${fieldLines(headers, FRAMING_NONE)}\r\n`;
}

/** The last chunk, and trailers where there are any. */
export function lastChunk(trailers: Headers | undefined): string {
  return trailers === undefined ? '0\r\n\r\n' : `0\r\n${fieldLines(trailers, FRAMING_NONE)}\r\n`;
}

/** All fields as they are spelt, with Content-Length set right where it stands, or left out. */
function fieldLines(headers: Headers, framing: number): string {
  const { pairs, ids } = headers;
  let lines = '';
  for (let index = 0; index < ids.length; index++) {
    const name = pairs[2 * index] as string;
    if (ids[index] !== ID_CONTENT_LENGTH || framing === FRAMING_ABSENT) {
      lines += name + ': ' + (pairs[2 * index + 1] as string) + '\r\n';
    } else if (framing >= 0) {
      lines += name + ': ' + String(framing) + '\r\n';
    }
  }
  return lines;
}

function framingLines(headers: Headers, framing: number): string {
  if (framing === FRAMING_CHUNKED) return 'Transfer-Encoding: chunked\r\n';
  if (framing >= 0 && !headers.ids.includes(ID_CONTENT_LENGTH)) return `Content-Length: ${framing}\r\n`;
  return '';
}
