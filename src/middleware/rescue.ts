// Turns whatever went wrong below into the answer that the client gets: the only place where an error becomes a response.
import { CODES, ProxyError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { Body } from '../http/body.ts';
import { FIELD } from '../http/field.ts';
import { Headers } from '../http/headers.ts';
import { ProxyResponse } from '../http/message.ts';
import type { ProxyRequest } from '../http/message.ts';

/** The codes' own gRPC statuses (grpc/grpc, doc/statuscodes.md); the rest is UNAVAILABLE (14), which callers may retry. */
const GRPC_STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  PF_NO_ROUTE: 12,
  PF_TIMEOUT: 4,
  PF_RATE_LIMITED: 8,
  PF_BAD_REQUEST: 3,
  PF_LOOP: 13,
  PF_INTERNAL: 13,
  PF_CLIENT_CLOSED: 1,
  PF_UNAUTHENTICATED: 16,
  PF_FORBIDDEN: 7,
  PF_UPSTREAM_PROTOCOL: 13,
};
const GRPC_UNAVAILABLE = 14;
/** https://graphql.github.io/graphql-over-http/draft/#sec-Media-Types */
const GRAPHQL_TYPE = 'application/graphql-response+json';
/** What is full may have room again at once: the shortest that the field can say. */
const OVERFLOW_RETRY_AFTER_MS = 1_000;

/**
 * Makes an answer of anything that was thrown, in the form that the client understands: a problem (RFC 9457), a gRPC
 * status, or a GraphQL error list. What is no ProxyError is a bug: it becomes 500 and goes to `onBug`, once.
 * What happened inside is told to our own app (outbound) only: others (inbound) get the code's own sentence.
 * @param request undefined for a message that was no valid request.
 */
export function rescue(
  error: unknown,
  request: ProxyRequest | undefined,
  onBug: (bug: unknown) => void,
): ProxyResponse {
  let known: ProxyError;
  if (error instanceof ProxyError) {
    known = error;
  } else {
    onBug(error);
    known = new ProxyError('PF_INTERNAL', CODES.PF_INTERNAL.summary, { cause: error });
  }
  const detail = request?.direction === 'inbound' ? CODES[known.code].summary : known.message;
  const response = answer(known, detail, request);
  response.failure = known;
  if (known.status === 405) response.headers.append('Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
  const retryAfterMs = known.retryAfterMs ?? (known.code === 'PF_OVERFLOW' ? OVERFLOW_RETRY_AFTER_MS : undefined);
  if (retryAfterMs !== undefined) {
    // RFC 9110 §10.2.3: whole seconds.
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    response.headers.append('Retry-After', String(seconds), FIELD['retry-after']);
  }
  return response;
}

function answer(error: ProxyError, detail: string, request: ProxyRequest | undefined): ProxyResponse {
  const headers = new Headers();
  headers.append('X-Pilotfish-Code', error.code, FIELD['x-pilotfish-code']);
  switch (request === undefined ? 'problem' : formOf(request)) {
    case 'grpc':
      headers.append('Content-Type', 'application/grpc', FIELD['content-type']);
      headers.append('grpc-status', String(GRPC_STATUS[error.code] ?? GRPC_UNAVAILABLE), FIELD['grpc-status']);
      headers.append('grpc-message', encodeURI(`${error.code}: ${detail}`), FIELD['grpc-message']);
      return new ProxyResponse(200, headers, Body.empty, error.code);
    case 'graphql':
      return withJson(error, headers, saysGraphql(request) ? GRAPHQL_TYPE : 'application/json', {
        errors: [{ message: detail, extensions: { code: error.code, requestId: request?.id } }],
      });
    case 'problem':
      return withJson(error, headers, 'application/problem+json', {
        type: 'about:blank',
        title: CODES[error.code].summary,
        status: error.status,
        code: error.code,
        detail,
        requestId: request?.id === '' ? undefined : request?.id,
      });
  }
}

function withJson(error: ProxyError, headers: Headers, type: string, value: unknown): ProxyResponse {
  headers.append('Content-Type', type, FIELD['content-type']);
  headers.append('Cache-Control', 'no-store', FIELD['cache-control']);
  return new ProxyResponse(error.status, headers, Body.of(Buffer.from(JSON.stringify(value))), error.code);
}

function formOf(request: ProxyRequest): 'problem' | 'grpc' | 'graphql' {
  const type = request.headers.getId(FIELD['content-type']) ?? '';
  if (type.startsWith('application/grpc')) return 'grpc';
  return saysGraphql(request) || isPlainGraphql(request, type) ? 'graphql' : 'problem';
}

/** Told by its media types. */
function saysGraphql(request: ProxyRequest | undefined): boolean {
  const accepts = request?.headers.getId(FIELD.accept)?.includes(GRAPHQL_TYPE) === true;
  return accepts || request?.headers.getId(FIELD['content-type'])?.startsWith('application/graphql') === true;
}

/** Most clients send plain JSON, or a query in the target; the path where GraphQL is served by custom tells them. */
function isPlainGraphql({ method, path, query }: ProxyRequest, contentType: string): boolean {
  if (!path.endsWith('/graphql')) return false;
  return method === 'POST' ? contentType.startsWith('application/json') : /(?:^|[?&])query=/.test(query);
}
