// A sidecar between raw sockets: what a client sends byte by byte, and an instance that answers byte by byte.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startSidecar, temporaryDirectory, type RunningSidecar } from './processes.ts';
import { openRaw, type RawConnection } from './raw.ts';
import { until } from './until.ts';

/** A connection that a sidecar has opened to an instance. */
export interface Accepted {
  readonly socket: Socket;
  /** Everything received so far, latin1. */
  readonly received: string;
  /** The sidecar has ended or reset it. */
  readonly isClosed: boolean;
}

/** An instance made of a raw socket: `answer` is called for each connection whenever something came. */
export interface RawInstance {
  readonly port: number;
  readonly connections: readonly Accepted[];
}

/** Listens until the test ends. `onData` sees all that came on a connection so far; it is told of its opening, too, with nothing received. */
export async function startRawInstance(onData: (connection: Accepted) => void): Promise<RawInstance> {
  const connections: Accepted[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = { socket, received: '', isClosed: false };
    connections.push(connection);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      connection.received += chunk.toString('latin1');
      onData(connection);
    });
    socket.once('end', () => (connection.isClosed = true));
    socket.once('close', () => (connection.isClosed = true));
    onData(connection);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const { socket } of connections) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections };
}

/** A sidecar that knows `services` from its configuration alone; `upstream` are lines of `upstreams."*"`. */
export function startStatic(
  services: Readonly<Record<string, readonly number[]>>,
  upstream: Readonly<Record<string, unknown>> = {},
): Promise<RunningSidecar> {
  const list = Object.entries(services).map(([name, ports]) => [name, ports.map((port) => `127.0.0.1:${port}`)]);
  const config = {
    registry: { type: 'static', static: Object.fromEntries(list) as unknown },
    upstreams: { '*': upstream },
  };
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  writeFileSync(file, JSON.stringify({ ...config, log: { access: true } })); // JSON is YAML
  return startSidecar({}, ['-c', file]);
}

/** The lines of the access log so far. */
export function accessLog(sidecar: RunningSidecar): Record<string, unknown>[] {
  return sidecar.lines
    .filter((line) => line.startsWith('{"log":"access"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Waits for the access line of the request to `path`. */
export function accessLine(sidecar: RunningSidecar, path: string): Promise<Record<string, unknown>> {
  return until(`the access line of ${path}`, () => accessLog(sidecar).find((line) => line['path'] === path));
}

/** Opens a connection, sends `bytes`, and gives the connection. */
export async function sendRaw(port: number, bytes: string): Promise<RawConnection> {
  const connection = await openRaw(port);
  connection.socket.on('error', () => undefined);
  connection.socket.write(Buffer.from(bytes, 'latin1'));
  return connection;
}
