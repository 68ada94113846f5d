// What a server may send before it must wait for us: it gives a push up where more waits than it may send.
import { once } from 'node:events';
import { createServer, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { credentials } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { Connection } from '../../../../adapters/nacos/connection.ts';
import { systemClock } from '../../../../src/util/clock.ts';
import { until } from '../../../support/until.ts';

/** A thousand lists of ten instances, twice. */
const PUSHES_BYTES = 8_000_000;

test('a thousand lists may come at once, on the connection and on its stream', async () => {
  const server = createServer();
  const sessions: Http2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const over = new AbortController();
  const options = {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: credentials.createInsecure(),
    namespaceId: 'public',
    clock: systemClock,
    onPush: () => undefined,
    onAlive: () => undefined,
    onReset: () => undefined,
    onEnd: () => undefined,
  };
  const opening = Connection.open(options, over.signal).catch((error: unknown) => error);
  onTestFinished(async () => {
    over.abort(new Error('the test is over'));
    await opening;
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  await until('the window of the connection', () => (sessions[0]?.state.remoteWindowSize ?? 0) >= PUSHES_BYTES);
  expect(sessions[0]?.remoteSettings.initialWindowSize).toBeGreaterThanOrEqual(PUSHES_BYTES);
});
