// Reads into shared memory: what one connection was given stays as it came, whatever others read meanwhile.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { isLeased, part } from '../../../src/http/lease.ts';
import { withSharedReads } from '../../../src/http1/shared-reads.ts';
import { own, SHARED_READS } from '../../../src/http1/socket-events.ts';
import { until } from '../../support/until.ts';

const LARGE_BYTES = 40 * 65_536;

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const one of open.splice(0)) {
    if ('destroy' in one) one.destroy();
    else one.close();
  }
});

async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    open.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Sends `content` to whoever connects. */
function sender(content: Buffer): Promise<number> {
  return listen((socket) => socket.write(content));
}

/** Reads as connections of pools do. */
function read(port: number, onChunk: (chunk: Buffer, socket: Socket) => void): Socket {
  const socket = connect({ port, host: '127.0.0.1', onread: SHARED_READS });
  open.push(socket);
  const ignore = (): void => undefined;
  own(socket, { read: (chunk) => onChunk(chunk, socket), ended: ignore, drained: ignore, gone: ignore });
  return socket;
}

describe('a connection that was accepted', () => {
  it('reads into shared memory, on this Node, and counts for its server until it is closed', async () => {
    let accepted: Socket | undefined;
    let taken: Socket | undefined;
    const chunks: Buffer[] = [];
    const server = createServer((socket) => {
      accepted = socket;
      taken = withSharedReads(socket);
      open.push(taken);
      const ignore = (): void => undefined;
      own(taken, { read: (chunk) => void chunks.push(chunk), ended: ignore, drained: ignore, gone: ignore });
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    open.push(client);
    client.write(Buffer.alloc(200_000, 'a'));
    await until('all is read', () => Buffer.concat(chunks).length === 200_000);
    expect(taken === accepted).toBe(false);
    expect(chunks.some(isLeased)).toBe(true);
    const count = (): Promise<number> =>
      new Promise((resolve, reject) =>
        server.getConnections((error, connections) => (error === null ? resolve(connections) : reject(error))),
      );
    expect(await count()).toBe(1);
    taken?.destroy();
    await until('it is not counted any more', async () => (await count()) === 0);
    let isClosed = false;
    server.close(() => (isClosed = true));
    await until('the server is closed', () => isClosed);
  });
});

describe('a connection that reads past the stream machinery', () => {
  it('keeps what it was given while connections that were opened later read', async () => {
    const sent = Buffer.alloc(LARGE_BYTES, 'a');
    const large = await sender(sent);
    const waiting: Socket[] = [];
    const small = await listen((socket) => waiting.push(socket));
    const chunks: Buffer[] = [];
    let received = 0;
    await new Promise<void>((resolve) => {
      read(large, (chunk, socket) => {
        chunks.push(part(chunk, 0, chunk.length));
        received += chunk.length;
        if (received === LARGE_BYTES) resolve();
        // What was opened before this read is answered behind it.
        const other = waiting.shift();
        socket.pause();
        if (other !== undefined) other.write(Buffer.alloc(30_000, 'b'));
        else setImmediate(() => read(small, () => socket.resume()).once('connect', () => socket.resume()));
      });
    });
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  it('gives a buffer of its own to the connection that filled one, and to no other', () => {
    const { buffer } = SHARED_READS;
    if (typeof buffer !== 'function') throw new Error('it is made on demand');
    const shared = buffer();
    SHARED_READS.callback(shared.length, shared);
    const own = buffer();
    const ofAnother = buffer();
    expect([own === shared, ofAnother === shared]).toEqual([false, true]);
  });
});
