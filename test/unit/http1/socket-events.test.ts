// Reads into shared memory: what one connection was given stays as it came, whatever others read meanwhile.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { part } from '../../../src/http/lease.ts';
import { own, SHARED_READS } from '../../../src/http1/socket-events.ts';

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
