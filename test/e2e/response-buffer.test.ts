// Answers that break off, with `buffer` on: through a real sidecar, by raw instances, none reaches a client that could be had whole.
import { describe, expect, it } from 'vitest';
import { exchangeRaw, openRaw } from '../support/raw.ts';
import { accessLog, startRawInstance, startStatic, type Accepted } from '../support/wire.ts';
import { until } from '../support/until.ts';

const ROUNDS = 30;
const CONTENT = 'x'.repeat(60_000);
const WHOLE = `HTTP/1.1 200 OK\r\nContent-Length: ${CONTENT.length}\r\n\r\n${CONTENT}`;
const IN_CHUNKS = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Answers each request with `answer`, unless it is the turn of `broken`, after which the connection ends so. */
function instance(
  answer: string,
  { broken, every = 2, isReset }: { broken: string; every?: number; isReset: boolean },
): ReturnType<typeof startRawInstance> {
  let count = 0;
  return startRawInstance((connection: Accepted) => {
    const heads = connection.received.split('\r\n\r\n').length - 1;
    if (heads === 0 || !connection.received.endsWith('\r\n\r\n')) return;
    if (++count % every !== 0) {
      connection.socket.write(answer, 'latin1');
      return;
    }
    connection.socket.write(broken, 'latin1', () => {
      if (isReset) connection.socket.resetAndDestroy();
      else connection.socket.end();
    });
  });
}

function get(port: number, method = 'GET'): Promise<string> {
  const content = method === 'POST' ? 'Content-Length: 0\r\n' : '';
  return exchangeRaw(port, `${method} / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n${content}\r\n`);
}

const OUTLIER = { consecutiveFailures: 0, successRate: { margin: 1 } };

describe('an answer that breaks off, with `buffer` on', () => {
  it.each([
    ['is reset within its length', WHOLE, WHOLE.slice(0, 30_000), true],
    ['ends within its length', WHOLE, WHOLE.slice(0, 30_000), false],
    ['ends within its chunks', `${IN_CHUNKS}5\r\nhello\r\n0\r\n\r\n`, `${IN_CHUNKS}5\r\nhello\r\n`, false],
    ['turns into garbage', `${IN_CHUNKS}5\r\nhello\r\n0\r\n\r\n`, `${IN_CHUNKS}5\r\nhello\r\nzz\r\n`, false],
  ])('%s: a GET never notices', async (_how, answer, broken, isReset) => {
    const good = await instance(answer, { broken, every: Number.MAX_SAFE_INTEGER, isReset });
    const bad = await instance(answer, { broken, isReset });
    const sidecar = await startStatic(
      { orders: [good.port, bad.port] },
      { buffer: {}, outlier: OUTLIER, retry: { budget: { ratio: 1, minPerSecond: 1_000 } }, balancer: 'round-robin' },
    );
    for (let round = 0; round < ROUNDS; round++) {
      const received = await get(sidecar.outbound.port);
      expect(received.startsWith('HTTP/1.1 200')).toBe(true);
      expect(received.endsWith(answer === WHOLE ? CONTENT : '\r\n0\r\n\r\n')).toBe(true);
    }
    await until('all are logged', () => accessLog(sidecar).length === ROUNDS);
    const triedAgain = accessLog(sidecar).filter((line) => Number(line['attempts']) > 1);
    expect(triedAgain.length).toBeGreaterThan(0);
  });

  it('counts against the copy that it came from, which is left out', async () => {
    const good = await instance(WHOLE, { broken: '', every: Number.MAX_SAFE_INTEGER, isReset: true });
    const bad = await instance(WHOLE, { broken: WHOLE.slice(0, 30_000), every: 1, isReset: true });
    const sidecar = await startStatic(
      { orders: [good.port, bad.port] },
      { buffer: {}, retry: { budget: { ratio: 1, minPerSecond: 1_000 } }, balancer: 'round-robin' },
    );
    for (let round = 0; round < ROUNDS; round++) await get(sidecar.outbound.port);
    const asked = bad.connections.flatMap((one) => one.received.match(/GET /g) ?? []).length;
    expect(asked).toBeLessThan(ROUNDS / 2);
  });

  it('of a POST breaks off at the client, and was executed once', async () => {
    const bad = await instance(WHOLE, { broken: WHOLE.slice(0, 30_000), every: 1, isReset: true });
    const sidecar = await startStatic({ orders: [bad.port] }, { buffer: {}, outlier: OUTLIER });
    const received = await get(sidecar.outbound.port, 'POST');
    expect(received.startsWith('HTTP/1.1 200')).toBe(true);
    expect(received.length).toBeLessThan(WHOLE.length);
    expect(bad.connections.flatMap((one) => one.received.match(/POST /g) ?? [])).toHaveLength(1);
  });

  it('everywhere is a 502, not half an answer', async () => {
    const bad = await instance(WHOLE, { broken: WHOLE.slice(0, 30_000), every: 1, isReset: true });
    const sidecar = await startStatic({ orders: [bad.port] }, { buffer: {}, outlier: OUTLIER });
    expect(await get(sidecar.outbound.port)).toMatch(/^HTTP\/1\.1 502 /);
  });
});

describe('with `buffer` on', () => {
  it('events come as they are sent', async () => {
    const events = await startRawInstance(({ received, socket }) => {
      if (!received.endsWith('\r\n\r\n')) return;
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.write('9\r\ndata: 1\n\n\r\n');
    });
    const sidecar = await startStatic({ orders: [events.port] }, { buffer: { wait: '1m' } });
    const client = await openRaw(sidecar.outbound.port);
    client.socket.write('GET / HTTP/1.1\r\nHost: orders\r\n\r\n');
    await until('the first event', () => client.received().includes('data: 1'));
    client.socket.destroy();
  });

  it('a long answer comes whole, and an answer that never ends comes after `wait`', async () => {
    const long = 'y'.repeat(1_000_000);
    const mixed = await startRawInstance(({ received, socket }) => {
      if (!received.endsWith('\r\n\r\n')) return;
      if (received.includes('/endless')) socket.write(`${IN_CHUNKS}5\r\nhello\r\n`);
      else socket.write(`${IN_CHUNKS}${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`);
    });
    const sidecar = await startStatic({ orders: [mixed.port] }, { buffer: { wait: '200ms' } });
    const received = await get(sidecar.outbound.port);
    expect(received.match(/y/g)).toHaveLength(long.length);
    expect(received.endsWith('\r\n0\r\n\r\n')).toBe(true);
    const client = await openRaw(sidecar.outbound.port);
    client.socket.write('GET /endless HTTP/1.1\r\nHost: orders\r\n\r\n');
    await until('what there is of it', () => client.received().includes('hello'));
    client.socket.destroy();
  });

  it('trailers and informational answers stay', async () => {
    const trailing = await startRawInstance(({ received, socket }) => {
      if (!received.endsWith('\r\n\r\n')) return;
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
      socket.write(`${IN_CHUNKS}5\r\nhello\r\n`);
      setImmediate(() => socket.write('0\r\nX-Sum: 5\r\n\r\n'));
    });
    const sidecar = await startStatic({ orders: [trailing.port] }, { buffer: {} });
    const received = await exchangeRaw(
      sidecar.outbound.port,
      'GET / HTTP/1.1\r\nHost: orders\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n',
    );
    expect(received).toContain('HTTP/1.1 103 Early Hints');
    expect(received.toLowerCase()).toContain('\r\n0\r\nx-sum: 5\r\n\r\n');
  });
});
