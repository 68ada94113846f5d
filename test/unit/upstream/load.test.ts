// Must reach: requests at 400 a second over real sockets to real servers that are killed, close early, or stop; none may fail.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body, type BodyReader } from '../../../src/http/body.ts';
import { DEFAULT_LIMITS } from '../../../src/http/limits.ts';
import type { Handler, ProxyResponse } from '../../../src/http/message.ts';
import { callUpstream, type Call } from '../../../src/resilience/call.ts';
import { http1Connect } from '../../../src/upstream/http1-connect.ts';
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { until } from '../../support/until.ts';
import { FakeWatch, instance, makeRequest, optionsWith, ORDERS } from './fakes.ts';

const RATE = 400;
const TICK_MS = 10;
const PROGRAM = `
  const server = require('node:http').createServer((request, response) => {
    request.resume().on('end', () => response.end('{"ok":true}'));
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

/** Closes connections 3 to 5 ms after the last answer on them, and says nothing of it. */
const CLOSING_PROGRAM = `
  const { createServer } = require('node:http');
  const timers = new WeakMap();
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const { socket } = request;
    clearTimeout(timers.get(socket));
    request.resume().on('end', () => {
      response.setHeader('connection', 'keep-alive');
      response.end('ok', () => timers.set(socket, setTimeout(() => socket.destroy(), 3 + 2 * Math.random())));
    });
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

interface Opened {
  readonly upstream: Upstream;
  readonly handle: Handler;
  readonly call: Call;
  readonly watch: FakeWatch;
}

function open(ports: readonly number[], options: Partial<UpstreamOptions> = {}): Opened {
  const watch = new FakeWatch();
  const deadlines = new DeadlineLists(systemClock);
  const connect = http1Connect(systemClock, deadlines, DEFAULT_LIMITS);
  const upstream = new Upstream(
    { name: 'orders', key: ORDERS, options: optionsWith(options), isKnown: true },
    { clock: systemClock, connect, watch: watch.service },
  );
  watch.give(ports.map((port, n) => instance(n, { host: '127.0.0.1', port })));
  cleanUps.push(() => upstream.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over')));
  const call = callUpstream(upstream, { clock: systemClock, deadlines });
  return { upstream, handle: call.handle, call, watch };
}

async function serve(listener: RequestListener, keepAliveTimeout = 5_000): Promise<Server> {
  const server = createServer({ keepAliveTimeout }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function spawnCopy(program = PROGRAM): Promise<{ readonly process: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUps.push(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { process: child, port: Number(line.toString()) };
}

/** Reads an answer to its end; rejects where it breaks off. */
function consume(response: ProxyResponse): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const reader: BodyReader = {
      onData: (chunk) => (text += chunk.toString()),
      onEnd: () => resolve(text),
      onError: reject,
    };
    response.body.read(reader);
  });
}

/** What became of each request, and how long it took. */
interface Load {
  readonly results: Map<number | string, number>;
  readonly durationsMs: number[];
}

/** Sends `count` requests at RATE, whatever becomes of them; `at` is called when so many were sent. */
async function load(
  handle: Handler,
  methods: readonly string[],
  count: number,
  at: { readonly sent: number; readonly then: () => void },
): Promise<Load> {
  const results = new Map<number | string, number>();
  const durationsMs: number[] = [];
  const pending: Promise<void>[] = [];
  const start = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, ((performance.now() - start) * RATE) / 1_000);
      while (pending.length < due) {
        if (pending.length === at.sent) at.then();
        pending.push(one(methods[pending.length % methods.length] ?? 'GET'));
      }
      if (pending.length < count) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  await Promise.all(pending);
  return { results, durationsMs };

  async function one(method: string): Promise<void> {
    const sentAt = performance.now();
    const body = method === 'GET' ? Body.empty : Body.of(Buffer.from('{"an":"order"}'));
    let result: number | string;
    try {
      const response = await handle(makeRequest(method, body, sentAt));
      await consume(response);
      result = response.status;
    } catch (error) {
      result =
        error instanceof ProxyError ? `${method} ${error.code} sent=${String(error.requestSent)}` : String(error);
    }
    durationsMs.push(performance.now() - sentAt);
    results.set(result, (results.get(result) ?? 0) + 1);
  }
}

describe('at 400 requests a second', () => {
  it('loses nothing when one of three copies is killed, but a POST that it had received already', async () => {
    const copies = [await spawnCopy(), await spawnCopy(), await spawnCopy()];
    const { handle, upstream } = open(copies.map(({ port }) => port));
    const then = (): void => void copies[0]?.process.kill('SIGKILL');
    const { results } = await load(handle, ['GET', 'POST'], 1_000, { sent: 400, then });
    const received = results.get('POST PF_UPSTREAM_CLOSED sent=true') ?? 0;
    // How many were in the killed process's hands is chance; that nothing else is lost is not.
    expect([...results.keys()].filter((key) => key !== 200 && key !== 'POST PF_UPSTREAM_CLOSED sent=true')).toEqual([]);
    expect(results.get(200)).toBe(1_000 - received);
    expect(upstream.outcomes['connect-failed'] + upstream.outcomes.reset).toBeGreaterThan(0);
    const states = [...upstream.endpoints].map(({ outlier }) => outlier.isEjected);
    expect(states).toEqual([true, false, false]);
  });

  it.each([
    ['that announces it', 5, 256],
    ['when connections are never used again', 5, 0],
  ])('loses nothing to a server that closes idle connections after 5 ms, %s', async (_how, keepAliveMs, maxIdle) => {
    const server = await serve((request, response) => {
      request.resume().on('end', () => response.end('ok'));
    }, keepAliveMs);
    const connect = { ...UPSTREAM_DEFAULTS.connect, maxIdle };
    const { handle } = open([portOf(server)], { connect });
    const { results } = await load(handle, ['GET', 'POST'], 800, { sent: -1, then: () => undefined });
    expect(results).toEqual(new Map([[200, 800]]));
  });

  it('loses nothing to copies that close idle connections after 3 to 5 ms without a word, and spends no retries', async () => {
    const copies = [await spawnCopy(CLOSING_PROGRAM), await spawnCopy(CLOSING_PROGRAM)];
    const connect = { ...UPSTREAM_DEFAULTS.connect, timeoutMs: 5_000 }; // Whether a busy machine connects in time is not asked here.
    const ports = copies.map(({ port }) => port);
    const { handle, upstream, call } = open(ports, { connect });
    const { results } = await load(handle, ['GET', 'POST'], 1_200, { sent: -1, then: () => undefined });
    expect(results).toEqual(new Map([[200, 1_200]]));
    expect(upstream.load.closed.peer).toBeGreaterThan(0);
    expect(call.budget.ratioLeft(systemClock.now())).toBe(1);
  });

  it('loses nothing when a called sidecar stops while a second one is there', async () => {
    let isDraining = false;
    const draining = await serve((request, response) => {
      request.resume().on('end', () => {
        if (isDraining) response.writeHead(503, { 'x-pilotfish-code': 'PF_DRAINING', connection: 'close' });
        response.end('text');
      });
    });
    const staying = await serve((request, response) => {
      request.resume().on('end', () => response.end('ok'));
    });
    const { handle, watch, upstream } = open([portOf(draining), portOf(staying)]);
    const then = (): void => {
      isDraining = true;
    };
    const { results } = await load(handle, ['POST', 'GET'], 800, { sent: 300, then });
    expect(results).toEqual(new Map([[200, 800]]));
    expect(upstream.outcomes['not-executed']).toBeGreaterThan(0);
    watch.give([instance(1, { host: '127.0.0.1', port: portOf(staying) })]);
    await until('the connections of the one that left are closed', () => [...upstream.drainingEndpoints].length === 0);
  });

  it('goes on with what is in flight when the list changes all the time', async () => {
    const servers = [];
    for (let n = 0; n < 3; n++) {
      servers.push(
        await serve((request, response) => {
          request.resume().on('end', () => setTimeout(() => response.end('ok'), 5));
        }),
      );
    }
    const all = servers.map((server, n) => instance(n, { host: '127.0.0.1', port: portOf(server) }));
    const { handle, watch } = open([]);
    let turn = 0;
    const timer = setInterval(() => {
      turn++;
      watch.give(all.filter((_, n) => n !== turn % 3));
    }, 20);
    cleanUps.push(() => clearInterval(timer));
    watch.give(all);
    const { results } = await load(handle, ['POST', 'GET'], 800, { sent: -1, then: () => undefined });
    expect(results).toEqual(new Map([[200, 800]]));
  });
});
