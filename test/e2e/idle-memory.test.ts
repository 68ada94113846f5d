// What connections cost that say nothing: themselves, and no larger heap for objects that live for one request.
import { connect, type Socket } from 'node:net';
import { request } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { startSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';

const CONNECTIONS = 2_000;

async function youngGenerationBytes(adminPort: number): Promise<number> {
  const { body } = await request(`http://127.0.0.1:${adminPort}/metrics`);
  const found = /^nodejs_heap_space_size_total_bytes\{space="new"\} (\d+)/m.exec(await body.text());
  return Number(found?.[1]);
}

async function openConnections(port: number): Promise<number> {
  const { body } = await request(`http://127.0.0.1:${port}/metrics`);
  return Number(/^pilotfish_connections\{direction="outbound"\} (\d+)/m.exec(await body.text())?.[1]);
}

it('thousands of connections that are made at once leave the young generation as large as it was', async () => {
  const { outbound, admin } = await startSidecar();
  const before = await youngGenerationBytes(admin.port);
  expect(before).toBeGreaterThan(0);
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let n = 0; n < CONNECTIONS; n++) sockets.push(connect(outbound.port).on('error', () => undefined));
  await until('all are open', async () => (await openConnections(admin.port)) === CONNECTIONS);
  expect(await youngGenerationBytes(admin.port)).toBeLessThanOrEqual(before);
});
