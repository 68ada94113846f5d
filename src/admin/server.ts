// The operator's socket: HTTP over node:http, never shared with traffic. `routes.ts` says what it answers.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { bind, type AdminAddress } from './address.ts';
import { ClientGone, readBody, TooLarge } from './body.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import { refusal } from './guard.ts';
import { problem, type Reply } from './reply.ts';
import { ADMIN_ROUTES, allowOf, PROBE_ROUTES, type Route } from './routes.ts';
import type { AdminControls, AdminSources } from './sources.ts';

/** How an admin listener behaves. */
export interface AdminOptions {
  /** Read-only, for platforms and Prometheus: probes and metrics alone, under any Host. Default false. */
  readonly probesOnly?: boolean;
  /** Told of bugs: a view or an action threw, or the server failed after it was bound. */
  onError?(error: unknown): void;
  readonly clock?: Clock;
}

/** A bound admin listener. */
export interface AdminServer {
  /** `host:port` with the real port, or `unix:/path`. */
  readonly address: string;
  /** Ends all connections, those that are answering right now at latest after a second. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 16_384;
const HEAD_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const REQUESTS_PER_CONNECTION = 1_000;
/** A client that neither sends nor reads. */
const STALL_MS = 30_000;
const CLOSE_MS = 1_000;

/** Binds and serves. Rejects with a message that names the address where it cannot be bound. */
export async function startAdmin(
  address: AdminAddress,
  sources: AdminSources,
  controls: AdminControls,
  options: AdminOptions = {},
): Promise<AdminServer> {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  const clock = options.clock ?? systemClock;
  server.timeout = STALL_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
  const boundHost = address.kind === 'tcp' ? address.host : undefined;
  const isProbes = options.probesOnly === true;
  server.on('request', (request, response) => {
    // What a client does to its own connection is no trouble of ours.
    request.on('error', ignore);
    response.on('error', ignore);
    const refused = isProbes ? undefined : refusal(request.headers, boundHost);
    const reply =
      refused === undefined
        ? answer(request, isProbes ? PROBE_ROUTES : ADMIN_ROUTES, sources, controls)
        : Promise.resolve(refused);
    reply
      .catch((error: unknown) => {
        if (error instanceof ClientGone) return undefined;
        if (error instanceof TooLarge) return problem(413, 'Content too large', error.message, { connection: 'close' });
        options.onError?.(error);
        return problem(500, 'Internal error', 'this is a bug; the log of the sidecar says more');
      })
      .then((made) => {
        if (made !== undefined) send(request, response, made);
      })
      .catch((error: unknown) => options.onError?.(error));
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    else socket.destroy();
  });
  const bound = await bind(server, address);
  server.on('error', (error) => options.onError?.(error));
  return {
    address: bound,
    close: () =>
      new Promise((resolve) => {
        const timer = clock.setTimer(CLOSE_MS, () => server.closeAllConnections());
        server.close(() => {
          timer.cancel();
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  routes: ReadonlyMap<string, Route>,
  sources: AdminSources,
  controls: AdminControls,
): Promise<Reply> {
  const target = request.url ?? '/';
  const queryAt = target.indexOf('?');
  const path = queryAt < 0 ? target : target.slice(0, queryAt);
  const route = routes.get(path);
  if (route === undefined) return problem(404, 'Not found', `there are: ${[...routes.keys()].join(' ')}`);
  const { method } = request;
  const query = new URLSearchParams(queryAt < 0 ? '' : target.slice(queryAt));
  if (route.get !== undefined && (method === 'GET' || method === 'HEAD')) {
    return await route.get(sources, { ifNoneMatch: request.headers['if-none-match'], query });
  }
  if (route.post !== undefined && method === 'POST') {
    const body = await readBody(request);
    return route.post(controls, sources, { query, body });
  }
  const allow = allowOf(route);
  return problem(405, 'Method not allowed', `${path} takes ${allow}`, { allow });
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(reply.status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...reply.headers,
    ...(reply.status === 304
      ? {}
      : { 'content-type': reply.contentType, 'content-length': Buffer.byteLength(reply.body) }),
  });
  response.end(request.method === 'HEAD' ? undefined : reply.body);
  request.resume(); // A body that nobody asked for is read and forgotten.
}

function ignore(): void {}
