import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { dispatch } from '../../../src/cli/dispatch.ts';
import { Console } from './console.ts';

const ANSWERS: Readonly<Record<string, readonly [number, unknown]>> = {
  'GET /readyz': [503, { status: 'not-ready', phase: 'serving', reasons: ['the app does not answer\u001b[2J'] }],
  'GET /startupz': [200, { status: 'started' }],
  'GET /registration': [
    200,
    { state: 'pending', reason: 'waiting', instance: { id: 'o-1', host: '10.0.0.1', port: 80 } },
  ],
  'GET /registry': [200, { name: 'file', isUp: true }],
  'GET /upstreams': [
    200,
    {
      upstreams: [
        {
          name: 'payments',
          state: 'stale',
          stalenessMs: 12_400,
          balancer: 'random',
          endpoints: [
            {
              id: 'p1',
              address: '10.0.0.2:80',
              state: 'available',
              why: 'picked',
              stateForMs: 12_300,
              weight: 100,
              inFlight: 2,
              latencyMs: 3.14,
            },
            {
              id: 'p2',
              address: '10.0.0.3:80',
              state: 'ejected',
              why: 'ejected for 3.0 s more',
              stateForMs: 185_000,
              back: 'the ejection ends',
              weight: 1,
              inFlight: 0,
            },
          ],
          rejected: [{ ref: 'x.json', reason: 'not JSON' }],
          load: { connections: { now: 12, limit: 16_384 }, requests: { now: 3, limit: 100 } },
          retryBudgetRatio: 0.876,
          breaker: { state: 'open', sinceMs: 3_400, untilMs: 249.5, why: '100 failures in a row' },
          concurrency: { limit: 40, inFlight: 12, rejected: 7, isMeasuring: false },
          hedging: { delay: 'p95', delayMs: 12.34, won: 3, lost: 1, refused: 0 },
          fallback: {
            to: 'upstream standby',
            on: ['breaker-open'],
            taken: { 'breaker-open': 5, timeout: 1 },
            lastAgoMs: 2_100,
            lastWhy: 'no answer\u001b[2J',
          },
        },
        {
          name: 'empty',
          state: 'live',
          stalenessMs: 0,
          balancer: 'random',
          endpoints: [],
          rejected: [],
          breaker: { state: 'closed', sinceMs: 9, why: 'it has just begun' },
          fallback: { to: 'answer 200', on: ['timeout'], taken: {} },
        },
      ],
    },
  ],
  'POST /drain': [202, { status: 'draining', phase: 'drained', reasons: ['asked to'] }],
  'POST /undrain': [202, { status: 'ready', phase: 'serving', reasons: [] }],
};

const answer: RequestListener = (request, response) => {
  const [status, body] = ANSWERS[`${request.method ?? ''} ${request.url ?? ''}`] ?? [404, {}];
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

/** An admin listener; `path`: on a Unix socket. */
async function admin(listener: RequestListener = answer, path?: string): Promise<string> {
  const server = createServer(listener);
  server.listen(path ?? { host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return path === undefined ? `127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${path}`;
}

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const console = new Console(env);
  const code = await dispatch(args, console);
  return { code, out: console.out, err: console.err };
}

const TEXT = `not-ready (serving)
  the app does not answer?[2J

registration  pending  o-1  10.0.0.1:80  waiting

registry  file  up

upstream payments, stale, last heard 12 s ago, random
  breaker open for 3 s, the first probe in 250 ms: 100 failures in a row
  limits: connections 12/16384, requests 3/100, retry budget 88 % left
  adaptive concurrency: 12/40, 7 refused so far
  hedging after p95 (12.3 ms): 3 won, 1 lost, 0 refused
  fallback to upstream standby: taken for breaker-open 5, timeout 1, last 2 s ago: no answer?[2J
  ADDRESS      ID  STATE      FOR    WEIGHT  IN FLIGHT  LATENCY  WHY
  10.0.0.2:80  p1  available  12 s   100     2          3.1 ms   picked
  10.0.0.3:80  p2  ejected    3 min  1       0          -        ejected for 3.0 s more; back when the ejection ends
  record x.json rejected: not JSON

upstream empty, live, random
  fallback to answer 200: never taken
  no endpoints
`;

describe('status', () => {
  it('shows a person everything, also of a sidecar that is not ready', async () => {
    expect(await run(['status', '--admin', await admin()])).toEqual({ code: 0, out: TEXT, err: '' });
  });

  it('shows a program the same as JSON', async () => {
    const { code, out } = await run(['status', '--json', '--admin', await admin()]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      readiness: { status: 'not-ready' },
      registration: { state: 'pending' },
      registry: { name: 'file' },
      upstreams: [{ name: 'payments' }, { name: 'empty' }],
    });
  });

  it('asks with --startup whether the listeners are bound, and nothing else', async () => {
    const address = await admin();
    expect(await run(['status', '--startup', '--admin', address])).toEqual({ code: 0, out: 'started\n', err: '' });
    const { out } = await run(['status', '--startup', '--json', '--admin', address]);
    expect(JSON.parse(out)).toEqual({ status: 'started' });
  });

  it('ends with 69 where a sidecar has not started yet', async () => {
    const starting = await admin((_, response) => void response.writeHead(503).end('{"status":"starting"}'));
    const { code, out, err } = await run(['status', '--startup', '--admin', starting]);
    expect([code, out, err]).toEqual([69, '', 'pilotfish: /startupz: the answer is 503\n']);
    expect((await run(['status', '--startup', '--admin', '127.0.0.1:1'])).code).toBe(69);
  });

  it('asks where the configuration says', async () => {
    expect((await run(['status'], { PILOTFISH_ADMIN: await admin() })).out).toBe(TEXT);
  });

  it('asks on a Unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pilotfish-cli-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const address = await admin(answer, join(directory, 'admin.sock'));
    expect((await run(['status', '--admin', address])).out).toBe(TEXT);
  });

  it('cannot guess a port that was chosen at the start', async () => {
    const { code, err } = await run(['status'], { PILOTFISH_ADMIN: '127.0.0.1:0' });
    expect([code, err]).toEqual([
      1,
      'pilotfish: the admin port is chosen at the start (port 0): say --admin HOST:PORT\nTry: pilotfish status --help\n',
    ]);
  });

  it('ends with 69 where nobody answers', async () => {
    const { code, out, err } = await run(['status', '--admin', '127.0.0.1:1']);
    expect([code, out]).toEqual([69, '']);
    expect(err).toMatch(/^pilotfish: no sidecar answers at 127\.0\.0\.1:1: .*ECONNREFUSED/);
  });

  it('ends with 69 where somebody else answers, or breaks off', async () => {
    const other = await admin((_, response) => void response.writeHead(404).end('nope'));
    expect((await run(['status', '--admin', other])).code).toBe(69);
    const broken = await admin((_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{');
      response.socket?.destroySoon();
    });
    expect((await run(['status', '--admin', broken])).code).toBe(69);
  });
});

describe('drain', () => {
  it('takes the sidecar out, and with --undo in again', async () => {
    const address = await admin();
    expect(await run(['drain', '--admin', address])).toEqual({
      code: 0,
      out: 'draining (drained)\n  asked to\n',
      err: '',
    });
    expect(await run(['drain', '--undo', '--admin', address])).toEqual({ code: 0, out: 'ready (serving)\n', err: '' });
  });

  it('prints the answer as JSON', async () => {
    const { out } = await run(['drain', '--json', '--admin', await admin()]);
    expect(JSON.parse(out)).toEqual(ANSWERS['POST /drain']?.[1]);
  });

  it('ends with 69 where nobody answers', async () => {
    expect((await run(['drain', '--admin', '127.0.0.1:1'])).code).toBe(69);
  });
});
