// A client that goes away: its instance hears of it at once, whatever the client was waiting for, and is not blamed.
import { describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { accessLine, sendRaw, startRawInstance, startStatic } from '../support/wire.ts';

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: orders\r\n\r\n`;

describe('a client that closes its connection', () => {
  it.each([
    ['while it waits for its answer', '', ''],
    ['in a pause of a streamed answer', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n', 'x'],
  ])('%s ends the request', async (_, answer, seen) => {
    const instance = await startRawInstance((connection) => {
      if (connection.received.endsWith('\r\n\r\n')) connection.socket.write(answer);
    });
    const sidecar = await startStatic({ orders: [instance.port] });
    const client = await sendRaw(sidecar.outbound.port, get('/'));
    await until(
      'it has begun',
      () => instance.connections[0]?.received !== undefined && client.received().includes(seen),
    );
    await until('the request is there', () => instance.connections[0]?.received.includes('\r\n\r\n'));
    client.socket.destroy(); // a FIN alone, as long as nothing is written to it
    await until('the instance is told', () => instance.connections[0]?.isClosed, { withinMs: 3_000 });
    expect(await accessLine(sidecar, '/')).toMatchObject({ flags: 'DC', code: 'PF_CLIENT_CLOSED' });
  });

  it('in one direction only is answered', async () => {
    const instance = await startRawInstance((connection) => {
      if (!connection.received.endsWith('\r\n\r\n')) return;
      connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
    });
    const sidecar = await startStatic({ orders: [instance.port] });
    const client = await sendRaw(sidecar.outbound.port, get('/half'));
    await until('the answer has begun', () => client.received().includes('1\r\na\r\n'));
    client.socket.end();
    // Zeros in front of the next size: that is how the sidecar looks whether anybody is there.
    await until('it was looked for', () => client.received().endsWith('\r\n00'));
    instance.connections[0]?.socket.write('2\r\nbc\r\n0\r\n\r\n');
    await client.closed;
    expect(client.received()).toMatch(/\r\n\r\n1\r\na\r\n0+2\r\nbc\r\n0\r\n\r\n$/);
    expect(await accessLine(sidecar, '/half')).toMatchObject({ status: 200, flags: '-' });
  });
});
