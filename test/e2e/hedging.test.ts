// A copy that is slow among others, through a real sidecar: another attempt beside each that takes long, and what it may never do.
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp, type App } from '../support/apps.ts';
import { openRaw } from '../support/raw.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { adminJson } from '../support/topology.ts';
import { until } from '../support/until.ts';

const PLENTY = 'retry: { budget: { ratio: 0, minPerSecond: 1000 } }';
const EVERYONE = 'balancer: round-robin, outlier: { latency: { factor: 0 } }, timeout: { hang: off }';

/** What each copy was asked: method, content and `x-request-attempt`. */
interface Asked {
  readonly method: string;
  readonly content: string;
  readonly attempt: string;
}

interface Copy extends App {
  readonly asked: Asked[];
}

/** Answers with its name once `isHeld` says no; what is held is let go with the server. */
async function copy(name: string, isHeld: () => boolean = () => false): Promise<Copy> {
  const asked: Asked[] = [];
  const answer: RequestListener = (incoming, response) => {
    void contentOf(incoming).then((content) => {
      asked.push({ method: incoming.method ?? '', content, attempt: String(incoming.headers['x-request-attempt']) });
      if (!isHeld()) response.end(name);
    });
  };
  return { ...(await startApp(answer)), asked };
}

async function contentOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function caller(copies: readonly App[], upstream: string): Promise<RunningSidecar> {
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  const list = copies.map(({ port }) => `"127.0.0.1:${port}"`).join(', ');
  writeFileSync(
    file,
    `registry: { type: static, static: { orders: [${list}] } }\nupstreams: { orders: { ${upstream} } }\n`,
  );
  return startSidecar({}, ['-c', file]);
}

async function call(sidecar: RunningSidecar, method: 'GET' | 'PUT' | 'POST' = 'GET', content = ''): Promise<string> {
  const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/v1/7`, {
    method,
    headers: { host: 'orders' },
    ...(method === 'GET' ? {} : { body: content }),
  });
  const text = await body.text();
  return statusCode === 200 ? text : `${statusCode} ${text}`;
}

interface Seen {
  readonly hedging?: { won: number; lost: number; refused: number; delayMs?: number; lastRefusal?: string };
  readonly attempts: Record<string, number>;
  readonly endpoints: readonly {
    readonly address: string;
    readonly state: string;
    readonly inFlight: number;
    readonly attempts: Record<string, number>;
  }[];
}

async function seen(sidecar: RunningSidecar): Promise<Seen> {
  const { upstreams } = (await adminJson(sidecar, '/upstreams')) as { upstreams: Seen[] };
  const [first] = upstreams;
  if (first === undefined) throw new Error('no upstream');
  return first;
}

function connectionsOf({ server }: App): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );
}

describe('a copy that does not come to an end', () => {
  it('costs nobody more than the delay; it is held against nobody, and its connections are closed', async () => {
    const [slow, ...fast] = await Promise.all([copy('slow', () => true), copy('a'), copy('b')]);
    const sidecar = await caller([slow, ...fast], `hedging: { delay: 20ms }, ${PLENTY}, ${EVERYONE}`);
    const answers = await Promise.all(Array.from({ length: 60 }, () => call(sidecar)));
    expect(new Set(answers)).toEqual(new Set(['a', 'b']));
    const first = slow.asked.filter(({ attempt }) => attempt === '1').length;
    expect(first).toBeGreaterThan(0);
    const { hedging, endpoints } = await seen(sidecar);
    expect(hedging?.won).toBeGreaterThanOrEqual(first);
    const held = endpoints.find(({ address }) => address.endsWith(`:${slow.port}`));
    expect(held).toMatchObject({ state: 'available', attempts: { success: 0, timeout: 0, reset: 0 } });
    expect(held?.attempts['cancelled']).toBeGreaterThanOrEqual(slow.asked.length);
    await until('nothing is under way', async () =>
      (await seen(sidecar)).endpoints.every(({ inFlight }) => inFlight === 0),
    );
    await until('the connections of the losers are closed', async () => (await connectionsOf(slow)) === 0);
    expect(fast.flatMap(({ asked }) => asked).filter(({ attempt }) => attempt === '2').length).toBeGreaterThan(0);
  });

  it('is asked no more often than the budget lets others stand in', async () => {
    let isHeld = true;
    const [slow, fast] = await Promise.all([copy('slow', () => isHeld), copy('fast')]);
    const scarce = 'retry: { budget: { ratio: 0, minPerSecond: 1 } }';
    const sidecar = await caller([slow, fast], `hedging: { delay: 10ms }, ${scarce}, ${EVERYONE}`);
    const calls = Array.from({ length: 60 }, () => call(sidecar));
    const hedges = (): number => [...slow.asked, ...fast.asked].filter(({ attempt }) => attempt === '2').length;
    const counts = await until('all that were due are decided', async () => {
      const { hedging } = await seen(sidecar);
      const isDecided = hedging !== undefined && hedging.won > 0 && hedging.won + hedging.refused >= 30;
      return isDecided ? hedging : undefined;
    });
    // Ten seconds' worth of one a second, and not one more.
    expect(hedges()).toBeLessThanOrEqual(10);
    expect(counts.lastRefusal).toBe('the retry budget is spent');
    isHeld = false;
    slow.server.closeAllConnections();
    await Promise.all(calls);
  });

  it('a request that may not be executed twice waits for it', async () => {
    let isHeld = true;
    const [slow, fast] = await Promise.all([copy('slow', () => isHeld), copy('fast')]);
    const sidecar = await caller([slow, fast], `hedging: { delay: 10ms }, ${PLENTY}, ${EVERYONE}`);
    const posts = Array.from({ length: 10 }, (_, n) => call(sidecar, 'POST', `pay ${n}`));
    await until('all have arrived', () => slow.asked.length + fast.asked.length >= 10);
    const gets = await Promise.all(Array.from({ length: 10 }, () => call(sidecar)));
    expect(new Set(gets)).toEqual(new Set(['fast']));
    isHeld = false;
    slow.server.closeAllConnections();
    await Promise.all(posts);
    const executed = [...slow.asked, ...fast.asked].filter(({ method }) => method === 'POST');
    expect(executed.map(({ content }) => content).sort()).toEqual(Array.from({ length: 10 }, (_, n) => `pay ${n}`));
  });

  it('a PUT comes with its whole content wherever it goes; one that is too long to be held goes once', async () => {
    const [slow, fast] = await Promise.all([copy('slow', () => true), copy('fast')]);
    const sidecar = await caller([slow, fast], `hedging: { delay: 20ms }, ${PLENTY}, ${EVERYONE}`);
    const content = 'x'.repeat(20_000);
    const answers = await Promise.all(Array.from({ length: 4 }, () => call(sidecar, 'PUT', content)));
    expect(answers).toEqual(['fast', 'fast', 'fast', 'fast']);
    expect(new Set([...slow.asked, ...fast.asked].map((one) => one.content.length))).toEqual(new Set([20_000]));
  });

  it('content that is too long to be held goes once', async () => {
    let isHeld = true;
    const copies = await Promise.all([copy('a', () => isHeld), copy('b', () => isHeld)]);
    const sidecar = await caller(copies, `hedging: { delay: 20ms }, ${PLENTY}, ${EVERYONE}`);
    const asked = (method: string) => copies.flatMap((one) => one.asked).filter((one) => one.method === method);
    const long = call(sidecar, 'PUT', 'y'.repeat(100_000));
    await until('it has arrived', () => asked('PUT').length > 0);
    // What came later is at both of them by now.
    const short = call(sidecar);
    await until('the other one is at both', () => asked('GET').length === 2);
    expect(asked('PUT').map(({ content }) => content.length)).toEqual([100_000]);
    isHeld = false;
    for (const { server } of copies) server.closeAllConnections();
    await Promise.all([long, short]);
  });
});

describe('what is learned', () => {
  it('p95 is hedged from when enough answers have come', async () => {
    let isHeld = false;
    const [slow, ...fast] = await Promise.all([copy('slow', () => isHeld), copy('a'), copy('b')]);
    const sidecar = await caller([slow, ...fast], `hedging: {}, ${PLENTY}, ${EVERYONE}`);
    for (let count = 0; count < 100; count++) await call(sidecar);
    expect((await seen(sidecar)).hedging?.delayMs).toBeGreaterThan(0);
    isHeld = true;
    const answers = await Promise.all(Array.from({ length: 30 }, () => call(sidecar)));
    expect(answers).not.toContain('slow');
    expect((await seen(sidecar)).hedging?.won).toBeGreaterThan(0);
  });
});

it('a client that goes away ends all of its attempts', async () => {
  const copies = await Promise.all([copy('a', () => true), copy('b', () => true)]);
  const sidecar = await caller(copies, `hedging: { delay: 10ms }, ${PLENTY}, ${EVERYONE}`);
  const client = await openRaw(sidecar.outbound.port);
  client.socket.write('GET / HTTP/1.1\r\nHost: orders\r\n\r\n');
  await until('both are at work', () => copies.every(({ asked }) => asked.length === 1));
  client.socket.destroy();
  await until('both are free', async () => (await seen(sidecar)).endpoints.every(({ inFlight }) => inFlight === 0));
  for (const one of copies) await until('its connection is closed', async () => (await connectionsOf(one)) === 0);
});
