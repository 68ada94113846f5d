import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { AdminAddress } from '../../../src/admin/address.ts';
import { startAdmin, type AdminOptions, type AdminServer } from '../../../src/admin/server.ts';
import type { AdminControls, AdminSources, Readiness } from '../../../src/admin/sources.ts';
import type { RequestQuestion } from '../../../src/runtime/explain.ts';
import type { LogLevel } from '../../../src/telemetry/logger.ts';

const LOOPBACK: AdminAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json(): unknown;
}

/** A sidecar as the admin listener sees it, and what was done to it. */
class FakeSidecar implements AdminSources, AdminControls {
  readonly done: string[] = [];
  readonly errors: unknown[] = [];
  state: Readiness = { status: 'ready', reasons: [], phase: 'serving' };
  isWell = true;
  isBound = true;
  isBroken = false;

  isLive(): boolean {
    return this.isWell;
  }
  isStarted(): boolean {
    return this.isBound;
  }
  readiness(): Readiness {
    return this.state;
  }
  config(): { masked: unknown; etag: string; generation: number } {
    return { masked: { log: { level: 'info' } }, etag: 'abc', generation: 3 };
  }
  upstreams(): unknown {
    if (this.isBroken) throw new Error('a bug');
    return [{ name: 'orders' }];
  }
  readonly asked: RequestQuestion[] = [];
  explain(question: RequestQuestion): object {
    this.asked.push(question);
    return { outcome: 'sent' };
  }
  decisions(last: number): unknown {
    return [`the last ${last}`];
  }
  registration(): unknown {
    return undefined;
  }
  registry(): unknown {
    return { type: 'file' };
  }
  async metrics(): Promise<{ contentType: string; body: string }> {
    return { contentType: 'text/plain; version=0.0.4', body: 'x 1\n' };
  }
  drain(): void {
    this.done.push('drain');
    this.state = { status: 'draining', reasons: ['POST /drain'], phase: 'draining' };
  }
  undrain(): void {
    this.done.push('undrain');
  }
  quit(): void {
    this.done.push('quit');
  }
  setLogLevel(level: LogLevel): LogLevel {
    this.done.push(level);
    return 'info';
  }
}

const servers: AdminServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(
  options: AdminOptions = {},
  address: AdminAddress = LOOPBACK,
): Promise<{ sidecar: FakeSidecar; server: AdminServer; ask: Ask }> {
  const sidecar = new FakeSidecar();
  const server = await startAdmin(address, sidecar, sidecar, {
    onError: (error) => sidecar.errors.push(error),
    ...options,
  });
  servers.push(server);
  const ask: Ask = (method: string, path: string, extra: Extra = {}): Promise<Answer> =>
    askAt(server.address, method, path, extra);
  return { sidecar, server, ask };
}

interface Extra {
  readonly headers?: Record<string, string>;
  readonly body?: string;
}
type Ask = (method: string, path: string, extra?: Extra) => Promise<Answer>;

function askAt(address: string, method: string, path: string, { headers = {}, body }: Extra): Promise<Answer> {
  const target = address.startsWith('unix:')
    ? { socketPath: address.slice('unix:'.length) }
    : { host: '127.0.0.1', port: Number(address.split(':').at(-1)) };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ ...target, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: () => JSON.parse(text) as unknown,
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('what the admin listener shows', () => {
  test.each([
    ['/livez', { status: 'live' }],
    ['/startupz', { status: 'started', phase: 'serving' }],
    ['/readyz', { status: 'ready', phase: 'serving', reasons: [] }],
    ['/config', { generation: 3, config: { log: { level: 'info' } } }],
    ['/upstreams', [{ name: 'orders' }]],
    ['/registration', { state: 'none' }],
    ['/registry', { type: 'file' }],
  ])('GET %s', async (path, body) => {
    const { ask } = await start();
    const answer = await ask('GET', path);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json()).toEqual(body);
  });

  test('GET /metrics is what Prometheus reads', async () => {
    const { ask } = await start();
    const answer = await ask('GET', '/metrics?x');
    expect(answer.headers['content-type']).toContain('text/plain');
    expect(answer.text).toBe('x 1\n');
  });

  test.each([
    ['degraded', 200],
    ['not-ready', 503],
    ['draining', 503],
  ] as const)('/readyz says why: %s', async (status, expected) => {
    const { sidecar, ask } = await start();
    sidecar.state = { status, reasons: ['registry unreachable'], phase: 'serving' };
    const answer = await ask('GET', '/readyz');
    expect(answer.status).toBe(expected);
    expect(answer.json()).toEqual({ status, phase: 'serving', reasons: ['registry unreachable'] });
  });

  test('/livez and /startupz are 503 when it is not so', async () => {
    const { sidecar, ask } = await start();
    sidecar.isWell = false;
    sidecar.isBound = false;
    expect((await ask('GET', '/livez')).status).toBe(503);
    expect((await ask('GET', '/startupz')).status).toBe(503);
  });

  test('HEAD is GET without the content', async () => {
    const { ask } = await start();
    const [head, get] = [await ask('HEAD', '/upstreams'), await ask('GET', '/upstreams')];
    expect(head.status).toBe(200);
    expect(head.text).toBe('');
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(get.text)));
  });

  test('/config has a tag, and nothing to say to those who know it', async () => {
    const { ask } = await start();
    const tag = (await ask('GET', '/config')).headers.etag ?? '';
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const answer = await ask('GET', '/config', { headers: { 'if-none-match': known } });
      expect(answer.status).toBe(304);
      expect(answer.text).toBe('');
      expect(answer.headers.etag).toBe(tag);
    }
    expect((await ask('GET', '/config', { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
  });
});

describe('what an operator can do', () => {
  test.each(['drain', 'undrain', 'quit'])('POST /%s answers at once with what /readyz says', async (action) => {
    const { sidecar, ask } = await start();
    const answer = await ask('POST', `/${action}`);
    expect(answer.status).toBe(202);
    expect(answer.json()).toEqual(sidecar.state);
    expect(sidecar.done).toEqual([action]);
  });

  test('POST /log-level takes a query or a body, and gives back old and new', async () => {
    const { sidecar, ask } = await start();
    expect((await ask('POST', '/log-level?level=debug')).json()).toEqual({ old: 'info', new: 'debug' });
    expect((await ask('POST', '/log-level', { body: '{"level":"warn"}' })).json()).toEqual({
      old: 'info',
      new: 'warn',
    });
    for (const body of ['', '{', 'null', '7', '{"level":3}', '{"level":"loud"}', '[]']) {
      expect((await ask('POST', '/log-level', { body })).status).toBe(422);
    }
    expect(sidecar.done).toEqual(['debug', 'warn']);
  });

  test('nothing changes by GET, HEAD or a method that nobody knows', async () => {
    const { sidecar, ask } = await start();
    for (const path of ['/drain', '/undrain', '/quit', '/log-level?level=debug']) {
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
        const answer = await ask(method, path);
        expect(answer.status).toBe(405);
        expect(answer.headers.allow).toBe('POST');
      }
    }
    expect(sidecar.done).toEqual([]);
  });

  test('a view takes no POST', async () => {
    const { ask } = await start();
    const answer = await ask('POST', '/readyz');
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD');
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json()).toMatchObject({ status: 405, title: 'Method not allowed' });
  });

  test('an unknown path is a 404, also one that only looks like a known one', async () => {
    const { ask } = await start();
    for (const path of ['/', '/nothing', '/readyz/', '/READYZ', '//readyz', '/x/../quit', '/reload', '/__proto__']) {
      expect((await ask('POST', path)).status).toBe(404);
    }
  });
});

describe('who is let in', () => {
  test('a page in a browser is not', async () => {
    const { sidecar, ask } = await start();
    for (const headers of [{ origin: 'http://localhost' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }]) {
      const answer = await ask('POST', '/quit', { headers });
      expect(answer.status).toBe(403);
    }
    expect(sidecar.done).toEqual([]);
  });

  test.each([
    'evil.example',
    'evil.example:15000',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    'localhost.evil',
    '[::2]',
    'a@localhost',
  ])('a Host of %j is not', async (host) => {
    const { sidecar, ask } = await start();
    const answer = await ask('POST', '/quit', { headers: { host } });
    expect(answer.status).toBe(421);
    expect(sidecar.done).toEqual([]);
  });

  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1:15000', '127.9.9.9', '[::1]', '[::1]:80'])(
    'a Host of %j is',
    async (host) => {
      const { ask } = await start();
      expect((await ask('GET', '/livez', { headers: { host } })).status).toBe(200);
    },
  );

  test('a request without a Host, or with an empty one, is not', async () => {
    const { sidecar, server } = await start();
    expect(await spoken(server, 'POST /quit HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 421 /);
    expect(await spoken(server, 'POST /quit HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    const empty = 'POST /quit HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n';
    expect(await spoken(server, empty)).toMatch(/^HTTP\/1\.1 421 /);
    expect(sidecar.done).toEqual([]);
  });
});

describe('the listener for probes', () => {
  test('shows probes and metrics under any Host, and nothing else', async () => {
    const { sidecar, ask } = await start({ probesOnly: true });
    const headers = { host: 'pod-7.example' };
    for (const path of ['/livez', '/startupz', '/readyz', '/metrics']) {
      expect((await ask('GET', path, { headers })).status).toBe(200);
      expect((await ask('HEAD', path, { headers })).status).toBe(200);
      expect((await ask('POST', path, { headers })).status).toBe(405);
    }
    for (const path of ['/config', '/upstreams', '/registration', '/registry', '/drain', '/quit', '/log-level']) {
      expect((await ask('GET', path, { headers })).status).toBe(404);
      expect((await ask('POST', path, { headers })).status).toBe(404);
    }
    expect(sidecar.done).toEqual([]);
  });
});

describe('what clients do wrong', () => {
  test('a body that is too long is refused', async () => {
    const { ask } = await start();
    const answer = await ask('POST', '/log-level', { body: 'x'.repeat(20_000) });
    expect(answer.status).toBe(413);
    expect((await ask('GET', '/livez')).status).toBe(200);
  });

  test('a head that is too long, or no HTTP at all, costs a connection', async () => {
    const { server, ask } = await start();
    for (const text of [
      `GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      'nonsense\r\n\r\n',
      'POST /quit HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    ]) {
      expect(await spoken(server, text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    expect((await ask('GET', '/livez')).status).toBe(200);
  });

  test('a client that leaves in the middle of its request, or of the answer, is no trouble', async () => {
    const { sidecar, server, ask } = await start();
    for (const text of [
      'POST /log-level HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"level"',
      'GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n',
      'GET /metr',
    ]) {
      const socket = connect(portOf(server), '127.0.0.1');
      socket.write(text);
      await once(socket, 'connect');
      await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
      await once(socket, 'close');
    }
    expect((await ask('GET', '/livez')).status).toBe(200);
    expect(sidecar.errors).toEqual([]);
    expect(sidecar.done).toEqual([]);
  });

  test('a view that throws is a 500 without details, told to the log', async () => {
    const { sidecar, ask } = await start();
    sidecar.isBroken = true;
    const answer = await ask('GET', '/upstreams');
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('a bug\n');
    expect(sidecar.errors).toHaveLength(1);
  });
});

describe('binding', () => {
  test('an address in use says so, and where', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start({}, { kind: 'tcp', host: '127.0.0.1', port })).rejects.toMatchObject({
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
      cause: { code: 'EADDRINUSE' },
    });
    other.close();
  });

  test('a Unix socket is for its owner alone, and takes any Host', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pilotfish-admin-'));
    const path = join(folder, 'admin.sock');
    const { server, ask } = await start({}, { kind: 'unix', path });
    writeFileSync(join(folder, 'other'), '');
    expect(statSync(join(folder, 'other')).mode & 0o444).toBe(0o444); // The process makes files as it did before.
    expect(server.address).toBe(`unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await ask('GET', '/livez', { headers: { host: 'whatever' } })).status).toBe(200);
    expect((await ask('GET', '/livez', { headers: { origin: 'http://x' } })).status).toBe(403);
    await expect(start({}, { kind: 'unix', path })).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } });
    rmSync(folder, { recursive: true });
  });

  test('a Unix socket that a killed process left behind is replaced; a file of that name is not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pilotfish-admin-'));
    const path = join(folder, 'admin.sock');
    const script = `require('node:net').createServer().listen(process.argv[1], () => console.log('up'))`;
    const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { ask } = await start({}, { kind: 'unix', path });
    expect((await ask('GET', '/livez')).status).toBe(200);
    const file = join(folder, 'file');
    writeFileSync(file, 'kept');
    await expect(start({}, { kind: 'unix', path: file })).rejects.toThrow(file);
    expect(readFileSync(file, 'utf8')).toBe('kept');
    rmSync(folder, { recursive: true });
  });

  test('closing ends connections that wait', async () => {
    const { server } = await start();
    const socket = connect(portOf(server), '127.0.0.1');
    socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(socket, 'data');
    const closed = once(socket, 'close');
    await server.close();
    await closed;
  });
});

function portOf(server: AdminServer): number {
  return Number(server.address.split(':').at(-1));
}

/** What the server says to `text`, until it closes. */
async function spoken(server: AdminServer, text: string): Promise<string> {
  const socket = connect(portOf(server), '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  socket.on('error', () => {});
  socket.write(text);
  await once(socket, 'close');
  return heard;
}
