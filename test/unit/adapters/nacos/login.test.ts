// The login against what real servers answer that HTTP libraries do not expect.
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Login } from '../../../../adapters/nacos/login.ts';
import { nacosSettings } from '../../../../adapters/nacos/options.ts';
import { systemClock, type Clock } from '../../../../src/util/clock.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { NacosStandIn } from './stand-in.ts';

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

function loginAt(port: number, clock: Clock = systemClock): Login {
  const settings = nacosSettings({ endpoints: [`127.0.0.1:${port}`] }, {});
  const endpoints = { current: { host: '127.0.0.1', port } };
  return new Login({ username: 'u', password: 'p', endpoints, settings, clock });
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

describe('a token that is refused', () => {
  const { signal } = new AbortController();
  const clock = new FakeClock();
  let nacos: NacosStandIn;
  let login: Login;
  const token = async (): Promise<string> => (await login.headers(signal))['accessToken'] ?? '';

  beforeEach(async () => {
    nacos = new NacosStandIn();
    await nacos.start();
    login = loginAt(nacos.httpPort, clock);
  });

  afterEach(() => nacos.close());

  test('is replaced once, however many are told and however late', async () => {
    const first = await token();
    expect([login.forget(first), login.forget(first)]).toEqual([true, true]);
    expect(await Promise.all([token(), token()])).toEqual(['token-2', 'token-2']);
    expect(login.forget(first)).toBe(true);
    expect(await token()).toBe('token-2');
    expect(nacos.logins).toBe(2);
  });

  test('is kept while it is new, longer each time: then it is a right that is missing', async () => {
    for (let second = 0; second < 120; second++) {
      if (login.forget(await token())) await token();
      await clock.advance(1_000);
    }
    expect(nacos.logins).toBeLessThan(10);
    await clock.advance(60_000);
    expect(login.forget(await token())).toBe(true);
  });
});
