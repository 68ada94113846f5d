// What callers get while a whole upstream fails: a fixed answer, or the answer of another upstream, through a real sidecar.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startApp } from '../support/apps.ts';
import { closedPort } from '../support/closed-port.ts';
import { pilotfish, startSidecar, temporaryDirectory } from '../support/processes.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { adminJson } from '../support/topology.ts';
import { until } from '../support/until.ts';

const QUICK = 'retry: { attempts: 2 }, timeout: { request: 5s, attempt: 200ms }';

function configFile(yaml: string): string {
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  writeFileSync(file, yaml);
  return file;
}

/** A sidecar that calls `orders` and `standby` at these ports. */
function caller(orders: number, standby: number, upstreams: string): Promise<RunningSidecar> {
  const lists = `orders: ["127.0.0.1:${orders}"], standby: ["127.0.0.1:${standby}"]`;
  return startSidecar({}, [
    '-c',
    configFile(`registry: { type: static, static: { ${lists} } }\nupstreams: { ${upstreams} }\n`),
  ]);
}

function call(sidecar: RunningSidecar, options: Partial<Dispatcher.RequestOptions> = {}) {
  return request(`http://127.0.0.1:${sidecar.outbound.port}/v1/7`, {
    method: 'GET',
    headers: { host: 'orders' },
    ...options,
  });
}

/** Counts the requests that reach it, and resets each. */
async function startResetting(): Promise<{ readonly port: number; readonly received: string[] }> {
  const received: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (chunk) => {
      received.push(chunk.toString('latin1').split(' ')[0] ?? '');
      socket.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, received };
}

async function accessLine(sidecar: RunningSidecar): Promise<Record<string, unknown>> {
  const line = await until('the line is there', () => sidecar.lines.find((text) => text.includes('"log":"access"')));
  return JSON.parse(line) as Record<string, unknown>;
}

async function metric(sidecar: RunningSidecar, name: string): Promise<string[]> {
  const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}/metrics`);
  return (await body.text()).split('\n').filter((line) => line.startsWith(name));
}

describe('a fixed answer', () => {
  it('stands in for an upstream that nobody can connect to, and says what for', async () => {
    const dead = await closedPort();
    const file = join(temporaryDirectory(), 'calm.json');
    writeFileSync(file, '{"items":[]}');
    const answer = `answer: { headers: { content-type: application/json }, bodyFile: ${file} }`;
    const sidecar = await caller(dead, dead, `orders: { ${QUICK}, fallback: { ${answer} } }`);
    const { statusCode, headers, body } = await call(sidecar, { method: 'POST', body: 'x' });
    expect([statusCode, await body.text()]).toEqual([200, '{"items":[]}']);
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': '12',
      'x-pilotfish-code': 'PF_CONNECT_FAILED',
      'x-pilotfish-fallback': 'answer',
    });
    expect(await accessLine(sidecar)).toMatchObject({
      upstream: 'orders',
      status: 200,
      flags: 'UF,URX',
      code: 'PF_CONNECT_FAILED',
      fallback: { to: 'answer', cause: 'connect-failed' },
    });
    expect(await metric(sidecar, 'pilotfish_upstream_fallbacks_total')).toEqual([
      'pilotfish_upstream_fallbacks_total{upstream="orders",cause="connect-failed"} 1',
    ]);
    const { upstreams } = (await adminJson(sidecar, '/upstreams')) as { upstreams: { fallback?: object }[] };
    expect(upstreams[0]?.fallback).toMatchObject({ to: 'answer 200', taken: { 'connect-failed': 1 } });
    const { decisions } = (await adminJson(sidecar, '/explain?last=50')) as { decisions: object[] };
    expect(decisions).toContainEqual(
      expect.objectContaining({ kind: 'fallback', upstream: 'orders', to: 'answer 200', cause: 'connect-failed' }),
    );
  });

  it('HEAD gets its head alone, and the connection goes on', async () => {
    const dead = await closedPort();
    const sidecar = await caller(dead, dead, `orders: { fallback: { answer: { status: 203, body: four } } }`);
    const { statusCode, headers, body } = await call(sidecar, { method: 'HEAD' });
    expect([statusCode, headers['content-length'], await body.text()]).toEqual([203, '4', '']);
    expect((await call(sidecar)).statusCode).toBe(203);
  });

  it('is given while the breaker is open, without a word to the upstream', async () => {
    const orders = await startApp((_request, response) => response.writeHead(500).end());
    const breaker = 'breaker: { consecutiveFailures: 3, open: 60s }';
    const sidecar = await caller(orders.port, orders.port, `orders: { ${breaker}, fallback: { answer: {} } }`);
    for (let count = 0; count < 3; count++) expect((await call(sidecar)).statusCode).toBe(500);
    const { statusCode, headers } = await call(sidecar);
    expect([statusCode, headers['x-pilotfish-code']]).toEqual([200, 'PF_BREAKER_OPEN']);
    expect(orders.requests).toHaveLength(3);
  });
});

describe('another upstream', () => {
  it('answers, with the whole content, and both are counted for what they did', async () => {
    const [dead, standby] = [await closedPort(), await startApp()];
    const sidecar = await caller(
      dead,
      standby.port,
      `orders: { ${QUICK}, fallback: { upstream: standby } }, standby: {}`,
    );
    const { statusCode, headers, body } = await call(sidecar, { method: 'POST', body: 'a'.repeat(50_000) });
    const echoed = (await body.json()) as { body: string; headers: Record<string, string> };
    expect([statusCode, echoed.body.length, headers['x-pilotfish-fallback']]).toEqual([200, 50_000, 'standby']);
    expect(echoed.headers).toMatchObject({ host: 'orders', 'x-pilotfish-to': 'standby' });
    expect(await accessLine(sidecar)).toMatchObject({
      upstream: 'orders',
      flags: '-',
      endpoint: `127.0.0.1:${standby.port}`,
      attempts: 3,
      fallback: { to: 'standby', cause: 'connect-failed' },
    });
    const attempts = await metric(sidecar, 'pilotfish_upstream_attempts_total');
    expect(attempts).toContain('pilotfish_upstream_attempts_total{upstream="orders",outcome="connect_failed"} 2');
    expect(attempts).toContain('pilotfish_upstream_attempts_total{upstream="standby",outcome="success"} 1');
  });

  it('never sees a POST that the first one may have executed; a GET it does', async () => {
    const [orders, standby] = [await startResetting(), await startApp()];
    const fallback = 'fallback: { upstream: standby, on: [reset, timeout] }';
    const sidecar = await caller(orders.port, standby.port, `orders: { ${QUICK}, ${fallback} }, standby: {}`);
    const post = await call(sidecar, { method: 'POST', body: 'pay 10' });
    expect([post.statusCode, post.headers['x-pilotfish-code']]).toEqual([502, 'PF_UPSTREAM_CLOSED']);
    await post.body.dump();
    expect([orders.received, standby.requests]).toEqual([['POST'], []]);
    const get = await call(sidecar);
    await get.body.dump();
    expect([get.statusCode, standby.requests]).toEqual([200, ['GET /v1/7']]);
  });

  it('has its own breaker told of what it makes of them', async () => {
    const standby = await startApp((_request, response) => response.writeHead(500).end());
    const breaker = 'standby: { breaker: { consecutiveFailures: 3, open: 60s } }';
    const sidecar = await caller(
      await closedPort(),
      standby.port,
      `orders: { ${QUICK}, fallback: { upstream: standby } }, ${breaker}`,
    );
    for (let count = 0; count < 3; count++) expect((await call(sidecar)).statusCode).toBe(500);
    expect((await call(sidecar)).headers['x-pilotfish-code']).toBe('PF_BREAKER_OPEN');
  });
});

it('validate refuses fallbacks that lead round in a circle, and says where', async () => {
  const file = configFile('upstreams:\n  a: { fallback: { upstream: b } }\n  b: { fallback: { upstream: a } }\n');
  const run = pilotfish(['validate', '-c', file]);
  expect(await run.exited).toBe(1);
  const told = [...run.lines, ...run.stderr].join('\n');
  expect(told).toContain(`${file}:2:30: upstreams.a.fallback.upstream`);
  expect(told).toContain('a → b → a');
});
