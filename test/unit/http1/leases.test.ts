// Read buffers that are used again: whoever reads slowly, goes away or comes in pieces, nobody gets another one's bytes.
import { createServer as createHttpServer, get, request as httpRequest, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { giveBack, isLeased, lease, onLoan, part, READ_BYTES, readBuffer } from '../../../src/http/lease.ts';
import { closeAll, makePool, proxyTo, serve } from './support.ts';

/** More than sockets hold between the two ends. */
const SLOW_BYTES = 20_000_000;

const servers: Server[] = [];
afterEach(() => {
  closeAll();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Answers `/N/how` with N bytes that are all the same for that path: whole, chunked in pieces, or slowly. */
async function upstream(): Promise<number> {
  const server = createHttpServer((request, response) => {
    const [, bytes = '0', how = ''] = (request.url ?? '').split('/');
    const content = contentOf(request.url ?? '', Number(bytes));
    if (how.startsWith('whole')) {
      response.setHeader('content-length', content.length);
      response.end(content);
      return;
    }
    // Hundreds of pieces, not hundreds of thousands: Node 24 fails a write that gathers so many (EINVAL), and resets.
    const step = 1_000 + (content.length % 50_000);
    for (let at = 0; at < content.length; at += step) response.write(content.subarray(at, at + step));
    response.end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Answers 200 where the content is what `contentOf` makes of the path, 500 where not; reads at once, or with pauses. */
async function judge(): Promise<number> {
  const server = createHttpServer((request, response) => {
    const [, bytes = '0', how = ''] = (request.url ?? '').split('/');
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (!how.startsWith('slow')) return;
      request.pause();
      setImmediate(() => request.resume());
    });
    request.on('end', () => {
      response.statusCode = Buffer.concat(chunks).equals(contentOf(request.url ?? '', Number(bytes))) ? 200 : 500;
      response.end();
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Uploads the content of that path, in pieces of `step` bytes. @returns the status, 0 where the connection broke. */
function uploaded(port: number, path: string, bytes: number, step: number, isChunked: boolean): Promise<number> {
  return new Promise((resolve) => {
    const content = contentOf(path, bytes);
    const headers = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': bytes };
    const request = httpRequest({ port, host: '127.0.0.1', path, method: 'PUT', agent: false, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', () => resolve(0));
    for (let at = 0; at < bytes; at += step) request.write(content.subarray(at, at + step));
    request.end();
  });
}

function contentOf(path: string, bytes: number): Buffer {
  return Buffer.alloc(bytes, path);
}

type Reader = 'reads' | 'pauses' | 'leaves';

/** True where what came is what was sent; one that leaves has seen a beginning of it. */
function fetched(
  port: number,
  path: string,
  bytes: number,
  reader: Reader,
  onBegun?: (go: () => void) => void,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const expected = contentOf(path, bytes);
    const request = get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        received += chunk.length;
        if (reader === 'leaves' && received > bytes / 2) {
          request.destroy();
          resolve(Buffer.concat(chunks).equals(expected.subarray(0, received)));
        } else if (reader === 'pauses') {
          response.pause();
          setImmediate(() => response.resume());
        }
      });
      response.on('error', () => undefined);
      if (onBegun !== undefined) {
        response.pause();
        onBegun(() => response.resume());
      }
      response.on('end', () => resolve(Buffer.concat(chunks).equals(expected)));
    });
    request.on('error', (error) => (reader === 'leaves' ? undefined : reject(error)));
  });
}

describe('read buffers that are used again', () => {
  it('keep answers apart, however they come and whoever reads them', async () => {
    const pool = makePool();
    const { port } = await serve(proxyTo(await upstream(), pool));
    const wanted = fc.record({
      bytes: fc.integer({ min: 1, max: 400_000 }),
      how: fc.constantFrom('whole', 'pieces'),
      reader: fc.constantFrom<Reader>('reads', 'reads', 'pauses', 'leaves'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(wanted, { minLength: 8, maxLength: 24 }), async (all) => {
        const results = await Promise.all(
          all.map(({ bytes, how, reader }, index) => fetched(port, `/${bytes}/${how}${index}`, bytes, reader)),
        );
        expect(results).toEqual(all.map(() => true));
      }),
      { numRuns: 12 },
    );
  });

  it('keep uploads apart, however they come and whoever reads them', async () => {
    const pool = makePool();
    const { port } = await serve(proxyTo(await judge(), pool));
    const wanted = fc.record({
      bytes: fc.integer({ min: 1, max: 400_000 }),
      step: fc.integer({ min: 1_000, max: 200_000 }),
      how: fc.constantFrom('fast', 'slow'),
      isChunked: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(wanted, { minLength: 8, maxLength: 24 }), async (all) => {
        const statuses = await Promise.all(
          all.map(({ bytes, step, how, isChunked }, index) =>
            uploaded(port, `/${bytes}/${how}${index}`, bytes, step, isChunked),
          ),
        );
        expect(statuses).toEqual(all.map(() => 200));
      }),
      { numRuns: 12 },
    );
  });

  it('keep requests apart that come in one write', async () => {
    const pool = makePool();
    const { port } = await serve(proxyTo(await judge(), pool));
    const requests = [20_000, 1, 9_000, 30_000, 70_000, 500].map((bytes, index) => {
      const path = `/${bytes}/one${index}`;
      const content = contentOf(path, bytes).toString('latin1');
      return `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n${content}`;
    });
    const last = 'GET /0/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const received = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(requests.join('') + last, 'latin1'));
      socket.on('data', (chunk) => (text += chunk.toString('latin1')));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(Array<string>(7).fill('HTTP/1.1 200'));
  });

  it('are not used again while a reader that waits has not got them', async () => {
    const pool = makePool();
    const { port } = await serve(proxyTo(await upstream(), pool));
    const waiting: (() => void)[] = [];
    const slow: Promise<boolean>[] = [];
    for (let index = 0; index < 4; index++) {
      await new Promise<void>((resolve) => {
        const onBegun = (go: () => void): void => {
          waiting.push(go);
          resolve();
        };
        slow.push(fetched(port, `/${SLOW_BYTES}/whole-slow${index}`, SLOW_BYTES, 'reads', onBegun));
      });
    }
    for (let index = 0; index < 40; index++)
      expect(await fetched(port, `/300000/whole${index}`, 300_000, 'reads')).toBe(true);
    for (const go of waiting) go();
    expect(await Promise.all(slow)).toEqual([true, true, true, true]);
  });

  it('come back when the last part was given back, and not before', () => {
    const buffer = readBuffer();
    const chunk = lease(buffer, READ_BYTES);
    const head = part(chunk, 0, 10);
    const whole = part(chunk, 0, READ_BYTES);
    giveBack(chunk);
    giveBack(head);
    expect(readBuffer()).not.toBe(buffer);
    giveBack(whole);
    expect(readBuffer()).toBe(buffer);
  });

  it('are copied where they are on loan', () => {
    const read = onLoan(Buffer.from('head and content'));
    const kept = part(read, 9, 16);
    giveBack(read);
    read.fill('x');
    expect([kept.toString(), isLeased(read), isLeased(kept)]).toEqual(['content', true, false]);
  });

  it('are told from memory that stays', () => {
    const plain = Buffer.alloc(10);
    expect([isLeased(plain), isLeased(part(plain, 2, 4)), isLeased(lease(readBuffer(), 3))]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
