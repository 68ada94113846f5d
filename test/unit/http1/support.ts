// A proxy of one server side and one client side of the codec joined, over real sockets, and a peer that speaks raw bytes.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { CODES, ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import type { ClientConnection, ConnectionOwner } from '../../../src/http/exchange.ts';
import { Headers } from '../../../src/http/headers.ts';
import { DEFAULT_LIMITS, STRICT_PATHS } from '../../../src/http/limits.ts';
import { ProxyResponse, type Handler, type ProxyRequest } from '../../../src/http/message.ts';
import type { DownstreamEnd, DownstreamTimeouts, ServingContext } from '../../../src/http/serving.ts';
import { Http1ClientConnection } from '../../../src/http1/client-connection.ts';
import type { ClientOptions } from '../../../src/http1/client-options.ts';
import { serveHttp1, type Http1ServerConnection } from '../../../src/http1/server-connection.ts';
import { withSharedReads } from '../../../src/http1/shared-reads.ts';
import { SHARED_READS } from '../../../src/http1/socket-events.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';

/** Everything that a test opened; closed by `closeAll`. */
const opened: (() => void)[] = [];

/** To be called after each test. */
export function closeAll(): void {
  for (const close of opened.splice(0)) close();
}

/** @param take what is served in place of the accepted socket. */
export async function listen(
  onSocket: (socket: Socket) => void,
  take = (accepted: Socket): Socket => accepted,
): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (accepted) => {
    const socket = take(accepted);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** A socket that collects what it reads as latin1 text. */
export class RawPeer {
  readonly socket: Socket;
  received = '';
  hasEnded = false;
  isClosed = false;
  error: NodeJS.ErrnoException | undefined = undefined;
  private waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
      this.wake();
    });
    socket.on('end', () => {
      this.hasEnded = true;
      this.wake();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error));
    socket.on('close', () => {
      this.isClosed = true;
      this.wake();
    });
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Resolves once `done` says so; fails after 10 s, telling what has come. */
  async until(done: (peer: RawPeer) => boolean): Promise<void> {
    const timer = setTimeout(() => this.fail(), 10_000);
    while (!done(this)) {
      if (this.failed !== undefined) throw this.failed;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    clearTimeout(timer);
  }

  private failed: Error | undefined = undefined;

  private fail(): void {
    this.failed = new Error(`waited in vain; came so far: ${JSON.stringify(this.received.slice(0, 500))}`);
    this.wake();
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

export async function dial(port: number): Promise<RawPeer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  opened.push(() => socket.destroy());
  const peer = new RawPeer(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return peer;
}

export interface Completed {
  readonly request: ProxyRequest;
  readonly end: DownstreamEnd;
}

export interface Served {
  readonly port: number;
  readonly completed: Completed[];
  readonly refused: ProxyError[];
  readonly connections: Http1ServerConnection[];
  isDraining: boolean;
}

export const NO_TIMEOUTS: DownstreamTimeouts = {
  headMs: 10_000,
  idleMs: 60_000,
  stallMs: 10_000,
  writeStallMs: 10_000,
};

/** The listener: every connection is served by our codec, every request by `handle`. */
export async function serve(handle: Handler, options: Partial<ServingContext> = {}): Promise<Served> {
  const served = {
    completed: [] as Completed[],
    refused: [] as ProxyError[],
    connections: [] as Http1ServerConnection[],
  };
  const result = { ...served, port: 0, isDraining: false };
  const clock = options.clock ?? systemClock;
  const context: ServingContext = {
    direction: 'outbound',
    clock,
    deadlines: new DeadlineLists(clock),
    limits: DEFAULT_LIMITS,
    paths: STRICT_PATHS,
    timeouts: NO_TIMEOUTS,
    get endsConnections() {
      return result.isDraining;
    },
    handle,
    rescue: (error) => {
      const problem =
        error instanceof ProxyError ? error : new ProxyError('PF_INTERNAL', String(error), { cause: error });
      const headers = Headers.of(['x-pilotfish-code', problem.code]);
      return new ProxyResponse(problem.status, headers, Body.of(Buffer.from(problem.message)), problem.code);
    },
    complete: (request, end) => void result.completed.push({ request, end }),
    refused: (error) => void result.refused.push(error),
    ...options,
  };
  result.port = await listen(
    (socket) => void result.connections.push(serveHttp1(socket, context)),
    withSharedReads, // as the listener does
  );
  return result;
}

/** What `proxyTo` keeps of its connections. */
export interface Pool extends ConnectionOwner {
  readonly idle: ClientConnection[];
  readonly all: ClientConnection[];
  readonly errors: ProxyError[];
  closed: number;
}

export function makePool(): Pool {
  const idle: ClientConnection[] = [];
  const pool: Pool = {
    idle,
    all: [],
    errors: [],
    closed: 0,
    onAvailable: (connection) => void idle.push(connection),
    onClosed: (connection) => {
      pool.closed++;
      const at = idle.indexOf(connection);
      if (at >= 0) idle.splice(at, 1);
    },
  };
  return pool;
}

export function clientOptions(overrides: Partial<ClientOptions> = {}): ClientOptions {
  const clock = overrides.clock ?? systemClock;
  return {
    clock,
    deadlines: new DeadlineLists(clock),
    limits: DEFAULT_LIMITS,
    endpoint: 'test',
    stallMs: 5_000,
    idleMs: 60_000,
    ...overrides,
  };
}

/** A connection of ours to a port. */
export async function connectTo(port: number, pool: Pool, options = clientOptions()): Promise<Http1ClientConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: SHARED_READS });
  opened.push(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const connection = new Http1ClientConnection(socket, pool, options);
  pool.all.push(connection);
  return connection;
}

/** Passes each request on over our client side, without any policy. */
export function proxyTo(port: number, pool: Pool, options = clientOptions()): Handler {
  return async (request) => {
    let connection = pool.idle.pop();
    if (connection?.isUsable !== true) connection = await connectTo(port, pool, options);
    return forward(connection, request, pool.errors);
  };
}

/** One exchange as a promise. */
export function forward(
  connection: ClientConnection,
  request: ProxyRequest,
  errors: ProxyError[] = [],
): Promise<ProxyResponse> {
  return new Promise((resolve, reject) => {
    const exchange = connection.send(request, request.body, {
      onInformational: (status, headers) => request.onInformational?.(status, headers),
      onResponse: resolve,
      onFailed: reject,
      onEnd: (end) => {
        request.workedOnBy(undefined);
        if (end.error !== undefined) errors.push(end.error);
      },
    });
    request.workedOnBy({ abort: (reason) => exchange.cancel(reason) });
  });
}

/** The status of the code that an error stands for. */
export function statusOf(error: ProxyError): number {
  return error.status === 0 ? CODES[error.code].status : error.status;
}
