// What Node's own parser makes of the same bytes: requests through a node:http server, answers through a node:http request.
import { createServer, METHODS, request as httpRequest, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

/** A message as Node understood it. */
export interface NodeMessage {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly fields: readonly string[];
  content: string;
  trailers: readonly string[];
  isComplete: boolean;
}

export interface NodeReading {
  readonly messages: NodeMessage[];
  error: string | undefined;
}

const KNOWN = new Set(METHODS);

/** Node's parser knows a fixed list of methods. */
export function isKnownMethod(method: string): boolean {
  return KNOWN.has(method);
}

class Wire extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

let current: NodeReading = { messages: [], error: undefined };

const server = createServer({ maxHeaderSize: 131_072, requireHostHeader: false, keepAliveTimeout: 0 }, take);
server.on('checkContinue', take);
server.on('checkExpectation', take);
server.on('clientError', (error: NodeJS.ErrnoException) => {
  current.error ??= error.code ?? error.message;
});

/** Feeds the bytes to a fresh connection of a server; resolves once all of them were parsed. */
export async function nodeRequests(bytes: Buffer): Promise<NodeReading> {
  current = { messages: [], error: undefined };
  const reading = current;
  const wire = new Wire();
  wire.on('error', () => undefined);
  server.emit('connection', wire);
  wire.push(bytes);
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  wire.destroy();
  return reading;
}

/** As `nodeRequests`, for the answer to one request. */
export async function nodeAnswer(bytes: Buffer, method: string): Promise<NodeReading> {
  const reading: NodeReading = { messages: [], error: undefined };
  const wire = new Wire();
  wire.on('error', () => undefined);
  const outgoing = httpRequest({ method, createConnection: () => wire, maxHeaderSize: 131_072 });
  outgoing.on('response', (incoming) => collect(incoming, reading));
  outgoing.on('upgrade', () => (reading.error ??= 'upgrade'));
  outgoing.on('error', (error: NodeJS.ErrnoException) => (reading.error ??= error.code ?? error.message));
  outgoing.end();
  await new Promise((resolve) => setImmediate(resolve));
  wire.push(bytes);
  wire.push(null);
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
  wire.destroy();
  return reading;
}

function take(incoming: IncomingMessage, outgoing: { end(): void; shouldKeepAlive?: boolean }): void {
  collect(incoming, current);
  incoming.on('end', () => outgoing.end());
}

function collect(incoming: IncomingMessage, reading: NodeReading): void {
  const message: NodeMessage = {
    method: incoming.method ?? '',
    url: incoming.url ?? '',
    status: incoming.statusCode ?? 0,
    fields: incoming.rawHeaders,
    content: '',
    trailers: [],
    isComplete: false,
  };
  reading.messages.push(message);
  incoming.on('data', (chunk: Buffer) => (message.content += chunk.toString('latin1')));
  incoming.on('error', () => undefined);
  incoming.on('end', () => {
    message.trailers = incoming.rawTrailers;
    message.isComplete = incoming.complete;
  });
}
