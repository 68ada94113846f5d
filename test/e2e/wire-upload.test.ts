// Uploads that take longer than an answer may: the client's slowness is nobody's timeout.
import { describe, expect, it } from 'vitest';
import { exchangeRaw } from '../support/raw.ts';
import { until } from '../support/until.ts';
import { accessLine, sendRaw, startRawInstance, startStatic } from '../support/wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const TIMEOUTS = { timeout: { attempt: '200ms', request: '300ms', stall: '10s' }, retry: { attempts: 1 } };

describe('an upload', () => {
  it.each([
    ['of known length', 'Content-Length: 6\r\n', (piece: string) => piece, ''],
    ['in chunks', 'Transfer-Encoding: chunked\r\n', (piece: string) => `2\r\n${piece}\r\n`, '0\r\n\r\n'],
  ])('%s may be slower than the deadlines of an answer', async (_, field, frame, last) => {
    const instance = await startRawInstance((connection) => {
      if (connection.received.endsWith(`${frame('ef')}${last}`)) connection.socket.write(OK);
    });
    const silent = await startRawInstance(() => undefined);
    const sidecar = await startStatic({ orders: [instance.port], silent: [silent.port] }, TIMEOUTS);
    const { port } = sidecar.outbound;
    const client = await sendRaw(port, `POST /up HTTP/1.1\r\nHost: orders\r\n${field}\r\n`);
    for (const piece of ['ab', 'cd']) {
      client.socket.write(frame(piece));
      await until('the piece has arrived', () => instance.connections[0]?.received.endsWith(frame(piece)));
      // A request that nobody answers shows that the deadline of one has passed.
      const timedOut = await exchangeRaw(port, 'GET / HTTP/1.1\r\nHost: silent\r\nConnection: close\r\n\r\n');
      expect(timedOut).toContain('PF_TIMEOUT');
      expect(client.received()).toBe('');
    }
    client.socket.write(`${frame('ef')}${last}`);
    await until('the answer', () => client.received().endsWith('\r\n\r\nok'));
    expect(await accessLine(sidecar, '/up')).toMatchObject({ status: 200, attempts: 1 });
  });

  it('that has come whole waits for its answer no longer than others', async () => {
    const instance = await startRawInstance(() => undefined);
    const sidecar = await startStatic({ orders: [instance.port] }, TIMEOUTS);
    const client = await sendRaw(
      sidecar.outbound.port,
      'POST /up HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\na',
    );
    await until('the first byte', () => instance.connections[0]?.received.endsWith('\r\n\r\na'));
    client.socket.write('b');
    await until('the answer', () => client.received().includes('\r\n\r\n'));
    expect(client.received()).toContain('X-Pilotfish-Code: PF_TIMEOUT');
    expect(await accessLine(sidecar, '/up')).toMatchObject({ status: 504, attempts: 1 });
  });

  it("that its reader does not take is that reader's timeout", async () => {
    const instance = await startRawInstance(({ socket }) => socket.pause());
    const sidecar = await startStatic({ orders: [instance.port] }, TIMEOUTS);
    const client = await sendRaw(
      sidecar.outbound.port,
      `POST /up HTTP/1.1\r\nHost: orders\r\nContent-Length: ${1 << 30}\r\n\r\n`,
    );
    const block = Buffer.alloc(1 << 20);
    for (let sent = 0; sent < 64; sent++) client.socket.write(block);
    await until('the answer', () => client.received().includes('\r\n\r\n'));
    expect(client.received()).toContain('X-Pilotfish-Code: PF_TIMEOUT');
  });

  it("that its client leaves half done is the client's timeout, and costs the instance nothing", async () => {
    const instance = await startRawInstance(() => undefined);
    const sidecar = await startStatic({ orders: [instance.port] }, { timeout: { stall: '200ms' } });
    const client = await sendRaw(
      sidecar.outbound.port,
      'POST /up HTTP/1.1\r\nHost: orders\r\nContent-Length: 9\r\n\r\nabc',
    );
    await client.closed;
    expect(client.received()).toMatch(/^HTTP\/1\.1 408 /);
    await until('the instance is told', () => instance.connections[0]?.isClosed);
    expect(await accessLine(sidecar, '/up')).toMatchObject({ status: 408, flags: 'DPE', code: 'PF_BAD_REQUEST' });
  });
});
