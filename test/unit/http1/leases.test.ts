// Read buffers that are used again: whoever reads slowly, goes away or comes in pieces, nobody gets another one's bytes.
import { createServer as createHttpServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { giveBack, isLeased, lease, part, READ_BYTES, readBuffer } from '../../../src/http/lease.ts';
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

  it('are told from memory that stays', () => {
    const plain = Buffer.alloc(10);
    expect([isLeased(plain), isLeased(part(plain, 2, 4)), isLeased(lease(readBuffer(), 3))]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
