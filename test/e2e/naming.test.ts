// A sidecar started from environment variables alone, beside any HTTP server, called in every way that an app can name a service.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp } from '../support/apps.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

async function readiness(port: number): Promise<{ status: number; body: { status?: string } }> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/readyz`);
  return { status: statusCode, body: (await body.json()) as { status?: string } };
}

async function pair() {
  const registry = `file://${temporaryDirectory()}/registry`;
  const app = await startApp();
  const [called, caller] = await Promise.all([
    startSidecar({
      PILOTFISH_REGISTRY: registry,
      PILOTFISH_SERVICE: 'orders',
      PILOTFISH_APP: `127.0.0.1:${app.port}`,
      PILOTFISH_HEALTH: '/',
    }),
    startSidecar({ PILOTFISH_REGISTRY: registry }),
  ]);
  await until('the called sidecar is ready', async () => (await readiness(called.admin.port)).status === 200);
  return { app, called, caller, port: caller.outbound.port };
}

describe('naming a service', () => {
  it('works by Host, by absolute-form target and by suffix, with and without a port', async () => {
    const { port } = await pair();
    const base = `http://127.0.0.1:${port}`;
    const calls = [
      ['-H', 'Host: orders', `${base}/v1/7`],
      ['-H', 'Host: orders:15001', `${base}/v1/7`],
      ['-H', 'Host: ORDERS.pilotfish', `${base}/v1/7`],
      ['-x', `127.0.0.1:${port}`, 'http://orders/v1/7'],
      ['--resolve', `orders.pilotfish:${port}:127.0.0.1`, `http://orders.pilotfish:${port}/v1/7`],
    ];
    for (const call of calls) {
      const { stdout } = await run('curl', ['-sS', '-m', '5', '-w', '\\n%{http_code}', ...call]);
      const [body = '', status] = stdout.split('\n');
      expect([status, (JSON.parse(body) as { url: string }).url]).toEqual(['200', '/v1/7']);
    }
  });

  it('passes the Host on as it was sent, and says who called', async () => {
    const { port } = await pair();
    const { body } = await request(`http://127.0.0.1:${port}/x?q=%2f`, {
      headers: { host: 'Orders.pilotfish:81', 'x-forwarded-for': '6.6.6.6' },
    });
    const seen = (await body.json()) as { url: string; headers: Record<string, string> };
    expect(seen.url).toBe('/x?q=%2f');
    expect(seen.headers).toMatchObject({
      host: 'Orders.pilotfish:81',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    });
    expect(seen.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(Object.keys(seen.headers).filter((name) => name.startsWith('x-pilotfish'))).toEqual([]);
  });

  it.each([
    ['nobody', 404, 'PF_NO_ROUTE'],
    ['127.0.0.1:9', 404, 'PF_NO_ROUTE'],
    ['localhost', 404, 'PF_NO_ROUTE'],
  ])('answers %s with %i', async (host, status, code) => {
    const caller = await startSidecar({ PILOTFISH_REGISTRY: `file://${temporaryDirectory()}/registry` });
    const { statusCode, headers, body } = await request(`http://127.0.0.1:${caller.outbound.port}/`, {
      headers: { host },
    });
    expect([statusCode, headers['x-pilotfish-code'], headers['content-type']]).toEqual([
      status,
      code,
      'application/problem+json',
    ]);
    expect(await body.json()).toMatchObject({ status, code });
  });

  it('refuses at the called sidecar what is meant for another service', async () => {
    const { called } = await pair();
    const { statusCode, headers } = await request(`http://127.0.0.1:${called.inbound?.port ?? 0}/`, {
      headers: { 'x-pilotfish-to': 'billing' },
    });
    expect([statusCode, headers['x-pilotfish-code']]).toEqual([421, 'PF_MISDIRECTED']);
  });
});

describe('an app that is not there', () => {
  it('is not registered until its check passes, is answered for at once, and comes and goes', async () => {
    const registry = `file://${temporaryDirectory()}/registry`;
    let isWell = false;
    const app = await startApp((incoming, response) => {
      response.statusCode = incoming.url === '/healthz' && !isWell ? 500 : 200;
      response.end('hello');
    });
    const called = await startSidecar({
      PILOTFISH_REGISTRY: registry,
      PILOTFISH_SERVICE: 'orders',
      PILOTFISH_APP: `127.0.0.1:${app.port}`,
      PILOTFISH_HEALTH: '/healthz',
    });
    const caller = await startSidecar({ PILOTFISH_REGISTRY: registry });
    const call = async (): Promise<number> =>
      (await request(`http://127.0.0.1:${caller.outbound.port}/`, { headers: { host: 'orders' } })).statusCode;
    expect((await readiness(called.admin.port)).status).toBe(503);
    expect(await call()).toBe(404);
    const direct = await request(`http://127.0.0.1:${called.inbound?.port ?? 0}/`);
    expect([direct.statusCode, direct.headers['x-pilotfish-code']]).toEqual([503, 'PF_APP_DOWN']);
    isWell = true;
    await until('the app is registered and found', async () => (await call()) === 200);
    expect((await readiness(called.admin.port)).status).toBe(200);
    isWell = false;
    await until('the app is taken away again', async () => (await call()) === 503);
  });
});
