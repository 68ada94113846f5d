// More connections, requests or clients than there is room for: who is in goes on, who is not is told so at once.
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { Agent, request, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startApp } from '../support/apps.ts';
import { startSidecar, temporaryDirectory, type RunningSidecar } from '../support/processes.ts';
import type { RawConnection } from '../support/raw.ts';
import { until } from '../support/until.ts';
import { accessLine, sendRaw, startRawInstance, startStatic, type RawInstance } from '../support/wire.ts';

const GET = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function startLimited(
  port: number,
  limits: Readonly<Record<string, number>>,
  under: readonly string[] = [],
): Promise<RunningSidecar> {
  const config = {
    registry: { type: 'static', static: { orders: [`127.0.0.1:${port}`] } },
    listeners: { outbound: { limits } },
  };
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  writeFileSync(file, JSON.stringify(config)); // JSON is YAML
  return startSidecar({}, ['-c', file], under);
}

function startAnswering(): Promise<RawInstance> {
  return startRawInstance((connection) => {
    if (connection.received.endsWith('\r\n\r\n')) connection.socket.write(OK);
  });
}

/** Descriptors that a process has open. */
function descriptors(sidecar: RunningSidecar): number {
  return readdirSync(`/proc/${sidecar.child.pid}/fd`).length;
}

function limitDescriptors(sidecar: RunningSidecar, soft: number): void {
  execFileSync('prlimit', ['--pid', String(sidecar.child.pid), `--nofile=${soft}:`]);
}

/** Status of a GET on a connection that `agent` keeps, or the error's code. */
function get(sidecar: RunningSidecar, agent: Agent): Promise<number | string> {
  return new Promise((resolve) => {
    const { port } = sidecar.outbound;
    request({ port, host: '127.0.0.1', headers: { host: 'orders' }, agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      .end();
  });
}

async function metricsOf(sidecar: RunningSidecar): Promise<string> {
  return (await fetch(`http://127.0.0.1:${sidecar.admin.port}/metrics`)).text();
}

/** Of one GET on a connection of its own. */
function status(at: { readonly port: number }, path: string, host = 'localhost'): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ port: at.port, host: '127.0.0.1', path, headers: { host }, agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}

describe('a listener that is full', () => {
  it('of connections tells the next one so at once, and serves those that it has', async () => {
    const instance = await startAnswering();
    const sidecar = await startLimited(instance.port, { connections: 2 });
    const [first] = [await sendRaw(sidecar.outbound.port, ''), await sendRaw(sidecar.outbound.port, '')];
    const third = await sendRaw(sidecar.outbound.port, '');
    await third.closed;
    expect(third.received()).toMatch(/^HTTP\/1\.1 503 [^]*\r\nX-Pilotfish-Code: PF_OVERFLOW\r\n/);
    expect(third.received()).toContain('\r\nRetry-After: 1\r\n');
    first.socket.write(GET);
    await until('the first is answered', () => first.received().endsWith('\r\n\r\nok'));
    first.socket.destroy();
    await until('there is room again', async () => {
      const next = await sendRaw(sidecar.outbound.port, GET);
      await until('it is answered', () => next.received().includes('\r\n\r\n'));
      return next.received().startsWith('HTTP/1.1 200');
    });
  });

  it('of requests refuses the next one with 503 and Retry-After, and keeps its connection', async () => {
    const instance = await startRawInstance(() => undefined);
    const sidecar = await startLimited(instance.port, { requests: 1 });
    const waiting = await sendRaw(sidecar.outbound.port, GET);
    await until('the instance has it', () => instance.connections.some(({ received }) => received !== ''));
    const refused = await sendRaw(sidecar.outbound.port, GET);
    await until('it is refused', () => refused.received().includes('PF_OVERFLOW'));
    expect(refused.received()).toMatch(/^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n/);
    expect(refused.received()).not.toContain('Connection: close');
    instance.connections.find(({ received }) => received !== '')?.socket.write(OK);
    await until('the first is answered', () => waiting.received().endsWith('\r\n\r\nok'));
    refused.socket.write(GET);
    await until('there is room again', () =>
      instance.connections.some(({ received }) => /GET [^]*GET /.test(received)),
    );
  });
});

describe('an upstream that is full', () => {
  /** The access line of a request to `path`, once it is refused on a connection that stays open. */
  async function refused(sidecar: RunningSidecar, path: string): Promise<Record<string, unknown>> {
    const client = await sendRaw(sidecar.outbound.port, GET.replace('/', path));
    await until('it is refused', () => client.received().includes('PF_OVERFLOW'));
    expect(client.received()).toMatch(/^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n/);
    expect(client.received()).not.toContain('Connection: close');
    return accessLine(sidecar, path);
  }

  it('of requests refuses the next one without an attempt, and has room again when one is answered', async () => {
    const instances = [await startRawInstance(() => undefined), await startRawInstance(() => undefined)];
    const taken = (): RawInstance['connections'] =>
      instances.flatMap(({ connections }) => connections).filter(({ received }) => received !== '');
    const ports = instances.map(({ port }) => port);
    const sidecar = await startStatic({ orders: ports }, { limits: { requests: 1 }, timeout: { hang: 'off' } });
    const first = await sendRaw(sidecar.outbound.port, GET);
    await until('an instance has it', () => taken().length === 1);
    expect(await refused(sidecar, '/second')).toMatchObject({ status: 503, flags: 'UO', attempts: 0 });
    expect(taken()).toHaveLength(1);
    taken()[0]?.socket.write(OK);
    await until('the first is answered', () => first.received().endsWith('\r\n\r\nok'));
    await sendRaw(sidecar.outbound.port, GET.replace('/', '/third'));
    await until('there is room again', () => taken().some(({ received }) => received.includes('/third')));
    const overflows = 'pilotfish_upstream_overflows_total{upstream="orders",limit="requests"} 1';
    expect(await metricsOf(sidecar)).toContain(overflows);
  });

  it('of connections lets requests wait for one, and refuses those that may not wait either', async () => {
    const instance = await startRawInstance(() => undefined);
    const sidecar = await startStatic(
      { orders: [instance.port] },
      { limits: { connections: 1, pending: 1 }, timeout: { hang: 'off' } },
    );
    const first = await sendRaw(sidecar.outbound.port, GET);
    await until('the instance has it', () => instance.connections[0]?.received.endsWith('\r\n\r\n') === true);
    const second = await sendRaw(sidecar.outbound.port, GET);
    const loads = async (): Promise<string> => (await fetch(`http://127.0.0.1:${sidecar.admin.port}/upstreams`)).text();
    await until('the second waits', async () => /"pending":\s*\{\s*"now":\s*1,/.test(await loads()));
    await refused(sidecar, '/third');
    instance.connections[0]?.socket.write(OK);
    await until('the first is answered', () => first.received().endsWith('\r\n\r\nok'));
    await until('the second is sent', () => /GET [^]*GET /.test(instance.connections[0]?.received ?? ''));
    instance.connections[0]?.socket.write(OK);
    await until('the second is answered', () => second.received().endsWith('\r\n\r\nok'));
    expect(instance.connections).toHaveLength(1);
  });
});

describe('when file descriptors are used up', () => {
  it('connections that exist are served, and new ones again as soon as there are some', async () => {
    const instance = await startAnswering();
    const sidecar = await startLimited(instance.port, {});
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await get(sidecar, agent)).toBe(200);
    limitDescriptors(sidecar, descriptors(sidecar) + 4);
    const crowd = await Promise.all(Array.from({ length: 40 }, () => sendRaw(sidecar.outbound.port, '')));
    const said = (): string[] => sidecar.lines.filter((line) => line.includes('file descriptors are used up'));
    await until('the log says so', async () => (await get(sidecar, agent)) === 200 && said().length > 0);
    for (let round = 0; round < 20; round++) expect(await get(sidecar, agent)).toBe(200);
    for (const { socket } of crowd) socket.destroy();
    limitDescriptors(sidecar, 4_096);
    await until('a new connection is served', async () => (await get(sidecar, new Agent())) === 200);
    expect(sidecar.child.exitCode).toBeNull();
    expect(said()).toHaveLength(1);
    agent.destroy();
  });

  it('a client that asks is served all the same: those who connect and say nothing make room', async () => {
    const instance = await startAnswering();
    const sidecar = await startLimited(instance.port, {}, ['prlimit', '--nofile=128:128']);
    const asking = await sendRaw(sidecar.outbound.port, GET);
    await until('it is answered', () => asking.received().endsWith('\r\n\r\nok'));
    const silent = await Promise.all(Array.from({ length: 300 }, () => sendRaw(sidecar.outbound.port, '')));
    await until('who asks is served', async () => (await get(sidecar, new Agent())) === 200);
    for (let client = 0; client < 20; client++) expect(await get(sidecar, new Agent())).toBe(200);
    asking.socket.write(GET);
    await until('who has asked before is still there', () => /ok[^]*ok$/.test(asking.received()));
    expect(silent.some((one) => one.received().startsWith('HTTP/1.1 503 '))).toBe(true);
    const metrics = await metricsOf(sidecar);
    expect(metrics).toMatch(/pilotfish_connections_refused_total\{direction="outbound",reason="silent"\} [1-9]/);
    expect(metrics).toContain('pilotfish_overload_state{resource="files"} 0');
  });
});

describe('when descriptors are short and every client asks', () => {
  it('those that come at once are answered or refused, none is cut off', async () => {
    const instance = await startAnswering();
    const sidecar = await startLimited(instance.port, {}, ['prlimit', '--nofile=128:128']);
    const places: RawConnection[] = [];
    const refusal = /^HTTP\/1\.1 503 [^]*PF_OVERFLOW/;
    for (;;) {
      const next = await sendRaw(sidecar.outbound.port, GET);
      await until('it is answered', () => next.received().includes('\r\n\r\n'));
      if (refusal.test(next.received())) {
        next.socket.destroy();
        break;
      }
      places.push(next);
    }
    for (let round = 0; round < 5; round++) {
      places.pop()?.socket.destroy();
      const { port } = sidecar.outbound;
      const crowd = await Promise.all(Array.from({ length: 6 }, () => sendRaw(port, GET)));
      await Promise.all(
        crowd.map((one) => Promise.race([one.closed, until('it is answered', () => one.received() !== '')])),
      );
      for (const one of crowd) expect(one.received()).toMatch(/^HTTP\/1\.1 (200 OK|503 )/);
      for (const { socket } of crowd) socket.destroy();
      const open = `pilotfish_connections{direction="outbound"} ${places.length}\n`;
      await until('they have gone', async () => (await metricsOf(sidecar)).includes(open));
    }
    expect(places.length).toBeGreaterThan(20);
  });
});

describe('health and admin traffic', () => {
  it('is answered while every place of the listeners is taken', async () => {
    const hanging: ServerResponse[] = [];
    const app = await startApp((asked, response) => {
      if (asked.url === '/health') response.end('well');
      else hanging.push(response);
    });
    const config = {
      service: { name: 'orders', app: `127.0.0.1:${app.port}`, health: { http: '/health' } },
      registry: { type: 'file', file: { directory: temporaryDirectory() } },
      listeners: { inbound: { limits: { requests: 1 } }, outbound: { limits: { requests: 1 } } },
    };
    const file = join(temporaryDirectory(), 'pilotfish.yaml');
    writeFileSync(file, JSON.stringify(config));
    const sidecar = await startSidecar({}, ['-c', file]);
    await until('it is ready', async () => (await status(sidecar.admin, '/readyz')) === 200);
    const { inbound, outbound, admin } = sidecar;
    if (inbound === undefined) throw new Error('it has a service of its own');
    // Through both listeners: one request fills each of them.
    const waiting = status(outbound, '/', 'orders');
    await until('the app has it', () => hanging.length === 1);
    expect(await status(outbound, '/', 'orders')).toBe(503);
    expect(await status(inbound, '/', 'orders')).toBe(503);
    expect(await status(inbound, '/health', 'orders')).toBe(200);
    for (const path of ['/livez', '/readyz', '/metrics', '/upstreams', '/explain?host=orders'])
      expect([path, await status(admin, path)]).toEqual([path, 200]);
    hanging[0]?.end('done');
    expect(await waiting).toBe(200);
  });
});

describe('clients that give up', () => {
  it('leave no descriptor behind', async () => {
    const instance = await startRawInstance(() => undefined);
    const sidecar = await startLimited(instance.port, {});
    const before = descriptors(sidecar);
    let refused = 0;
    for (let round = 0; round < 5; round++) {
      const clients = await Promise.all(Array.from({ length: 100 }, () => sendRaw(sidecar.outbound.port, GET)));
      const isRefused = (client: RawConnection): boolean => client.received() !== '' || client.socket.readableEnded;
      const seen = (round + 1) * 100;
      // A sidecar that is short of time on a busy machine refuses some.
      await until('they have all come', () => {
        const now = refused + clients.filter(isRefused).length;
        return instance.connections.length + now >= seen;
      });
      refused += clients.filter(isRefused).length;
      for (const { socket } of clients) socket.resetAndDestroy();
    }
    expect(instance.connections.length).toBeGreaterThanOrEqual(100);
    await until('their descriptors are free', () => descriptors(sidecar) <= before + 2);
  });
});
