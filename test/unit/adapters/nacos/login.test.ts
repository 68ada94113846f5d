// The login against what real servers answer that HTTP libraries do not expect.
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Login } from '../../../../adapters/nacos/login.ts';
import { nacosSettings } from '../../../../adapters/nacos/options.ts';
import { systemClock } from '../../../../src/util/clock.ts';

let server: Server | undefined;
afterEach(() => server?.close());

/** Answers every request with these bytes. */
async function answering(text: string): Promise<number> {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(text));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function loginAt(port: number): Login {
  const settings = nacosSettings({ endpoints: [`127.0.0.1:${port}`] }, {});
  const endpoints = { current: { host: '127.0.0.1', port } };
  return new Login({ username: 'u', password: 'p', endpoints, settings, clock: systemClock });
}

// 2.3.2 does that for a wrong password.
test('a status line without a status is a refusal', async () => {
  const port = await answering('HTTP/1.1 0 \r\nContent-Length: 0\r\n\r\n');
  await expect(loginAt(port).headers(new AbortController().signal)).rejects.toMatchObject({ kind: 'unauthenticated' });
});

test('what is no HTTP at all is none', async () => {
  const port = await answering('SSH-2.0-OpenSSH_9.2\r\n');
  await expect(loginAt(port).headers(new AbortController().signal)).rejects.not.toMatchObject({
    kind: 'unauthenticated',
  });
});
