// What clients and instances may not say for a sidecar.
import { describe, expect, it } from 'vitest';
import { exchangeRaw } from '../support/raw.ts';
import { startRawInstance, startStatic } from '../support/wire.ts';

/** An instance that answers everything with `answer`. */
function answering(answer: string) {
  return startRawInstance((connection) => {
    if (connection.received.endsWith('\r\n\r\n')) connection.socket.write(answer);
  });
}

describe('who called', () => {
  it('over plain text is never said to have come by https', async () => {
    const instance = await answering('HTTP/1.1 204 No Content\r\n\r\n');
    const { outbound } = await startStatic({ orders: [instance.port] });
    await exchangeRaw(outbound.port, 'GET https://orders/ HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n');
    expect(instance.connections[0]?.received).toContain('\r\nX-Forwarded-Proto: http\r\n');
  });
});

describe('an instance that is no registered sidecar', () => {
  it('cannot answer with a code of ours, neither at once nor before its answer', async () => {
    const spoof = 'x-pilotfish-code: PF_APP_DOWN\r\nX-Own: 1\r\n';
    const early = `HTTP/1.1 103 Early Hints\r\n${spoof}\r\n`;
    const instance = await answering(`${early}HTTP/1.1 503 No\r\n${spoof}Content-Length: 2\r\n\r\nno`);
    const { outbound } = await startStatic({ orders: [instance.port] });
    const received = await exchangeRaw(
      outbound.port,
      'POST / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    );
    expect(received.match(/^HTTP\/1\.1 \d{3}|^x-[^\r]*/gim)).toEqual([
      'HTTP/1.1 103',
      'X-Own: 1',
      'HTTP/1.1 503',
      'X-Own: 1',
    ]);
  });
});
