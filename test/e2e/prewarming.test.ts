// Connections that are there before the first request: the app counts them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, it } from 'vitest';
import { startApp, type App } from '../support/apps.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import { until } from '../support/until.ts';

interface Counted extends App {
  /** Connections that were ever opened to it. */
  connections: number;
}

async function startCounted(): Promise<Counted> {
  const count = { connections: 0 };
  const app = await startApp(undefined, (server) => server.on('connection', () => count.connections++));
  return Object.assign(count, app);
}

it('connect.minIdle has connections ready to each instance, and the first request waits for no handshake', async () => {
  const apps = await Promise.all([startCounted(), startCounted()]);
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  const addresses = apps.map(({ port }) => `127.0.0.1:${port}`).join(', ');
  writeFileSync(
    file,
    `registry: { type: static, static: { orders: [${addresses}] } }
upstreams: { orders: { connect: { minIdle: 3, idleTimeout: 60s } } }
`,
  );
  const sidecar = await startSidecar({}, ['-c', file]);
  await until('each instance has its connections', () => apps.every(({ connections }) => connections === 3));
  const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, {
    headers: { host: 'orders' },
  });
  await body.dump();
  expect(statusCode).toBe(200);
  const answer = await request(`http://127.0.0.1:${sidecar.admin.port}/upstreams`);
  const { upstreams } = (await answer.body.json()) as {
    upstreams: { endpoints: { attempts: { success: number }; connections: { idle: number } }[] }[];
  };
  const endpoints = upstreams[0]?.endpoints ?? [];
  expect(endpoints.map(({ attempts }) => attempts.success).sort()).toEqual([0, 1]);
  expect(Math.min(...endpoints.map(({ connections }) => connections.idle))).toBeGreaterThanOrEqual(3);
  // One more where the request was seen on its way.
  expect(apps.reduce((sum, { connections }) => sum + connections, 0)).toBeLessThanOrEqual(7);
});
