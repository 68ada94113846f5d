// The tables of hostile requests and malformed answers through a running sidecar, judged on both of its sides.
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { exchangeRaw } from '../support/raw.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { accessLog, sendRaw, startRawInstance, startStatic } from '../support/wire.ts';
import { HOSTILE_REQUESTS } from '../unit/http1/hostile-requests.ts';
import { MALFORMED_ANSWERS } from '../unit/http1/malformed-answers.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GOOD = 'GET /good HTTP/1.1\r\nHost: shop\r\n\r\n';
/** Those hosts that the hostile table uses. */
const NAMES = ['shop', 'a', 'b'];

/** Nothing escaped, nothing was a bug, and it still answers. */
async function expectWell(sidecar: RunningSidecar): Promise<void> {
  const bad = sidecar.lines.filter((line) => line.includes('"level":"error"') || line.includes('"level":"fatal"'));
  expect([bad, sidecar.stderr.filter((line) => !line.startsWith('warning:'))]).toEqual([[], []]);
  const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.admin.port}/livez`);
  await body.dump();
  expect(statusCode).toBe(200);
}

/** What an instance has received on all its connections. */
const allOf = (connections: readonly { readonly received: string }[]): string =>
  connections.map(({ received }) => received).join('');

/** True where the framing of an answer says that it is complete. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n') + 4;
  const length = /\r\nContent-Length: (\d+)\r\n/i.exec(answer)?.[1];
  if (end < 4) return false;
  if (/\r\nTransfer-Encoding: chunked\r\n/i.test(answer))
    return /(?:^|\r\n)0\r\n(?:[^\r]+\r\n)*\r\n$/.test(answer.slice(end));
  return length === undefined || answer.length - end >= Number(length);
}

describe('hostile requests through a sidecar', () => {
  it('are refused behind valid ones, and not a byte of them, or behind them, goes further', async () => {
    const instance = await startRawInstance((connection) => {
      if (connection.received.endsWith('\r\n\r\n')) connection.socket.write(OK);
    });
    const services = Object.fromEntries(NAMES.map((name) => [name, [instance.port]]));
    const sidecar = await startStatic(services);
    const failures: string[] = [];
    for (const [name, raw, status] of HOSTILE_REQUESTS) {
      if (status === undefined) continue;
      const before = allOf(instance.connections).length;
      const behind = raw.includes('\r\n\r\n') ? GOOD.replace('good', 'smuggled') : '';
      const received = await exchangeRaw(sidecar.outbound.port, `${GOOD}${raw}${behind}`);
      const passed = allOf(instance.connections);
      const statuses = received.match(/^HTTP\/1\.1 \d{3}|(?<=ok)HTTP\/1\.1 \d{3}/gm)?.map((line) => line.slice(9));
      const seen = `${statuses?.join()} ${passed.match(/^[^ ]+ \/smuggled/gm)?.length ?? 0} ${(passed.length - before).toString()}`;
      const expected = `200,${status} 0`;
      if (!seen.startsWith(`${expected} `)) failures.push(`${name}: ${seen}, not ${expected}`);
      if (!/\r\nConnection: close\r\n/.test(received)) failures.push(`${name}: the connection is not said to close`);
    }
    expect(failures).toEqual([]);
    const passed = allOf(instance.connections);
    expect(new Set(passed.match(/^[A-Z]+ \S+ HTTP/gm))).toEqual(new Set(['GET /good HTTP']));
    await expectWell(sidecar);
  });

  it('that never become whole reach nobody as a whole one', async () => {
    const instance = await startRawInstance(() => undefined);
    const sidecar = await startStatic(Object.fromEntries(NAMES.map((name) => [name, [instance.port]])));
    for (const [, raw, status] of HOSTILE_REQUESTS) {
      if (status !== undefined) continue;
      const client = await sendRaw(sidecar.outbound.port, raw);
      client.socket.end();
      await client.closed;
      expect(client.received()).not.toContain('HTTP/1.1 200');
    }
    await until('every instance hears of the end', () => instance.connections.every(({ isClosed }) => isClosed));
    expect(allOf(instance.connections)).not.toMatch(/\r\n0\r\n(?:A: b\r\n)?\r\n/);
    await expectWell(sidecar);
  });

  it('are refused alike when they come byte by byte', async () => {
    const instance = await startRawInstance(() => undefined);
    const sidecar = await startStatic(Object.fromEntries(NAMES.map((name) => [name, [instance.port]])));
    const short = HOSTILE_REQUESTS.filter(([, raw, status]) => status !== undefined && raw.length < 120);
    const failures = await Promise.all(
      short.map(async ([name, raw, status]) => {
        const client = await sendRaw(sidecar.outbound.port, '');
        for (const byte of raw) {
          if (client.received() !== '' || client.socket.destroyed) break;
          await new Promise<void>((resolve) => client.socket.write(byte, 'latin1', () => setImmediate(resolve)));
        }
        await client.closed;
        client.socket.destroy();
        const seen = /^HTTP\/1\.1 (\d{3})/.exec(client.received())?.[1];
        return seen === String(status) ? [] : [`${name}: ${seen ?? 'nothing'}, not ${status}`];
      }),
    );
    expect(failures.flat()).toEqual([]);
    await until('every instance hears of the end', () => instance.connections.every(({ isClosed }) => isClosed));
    await expectWell(sidecar);
  });
});

describe('malformed answers through a sidecar', () => {
  /** What the instance answers now, or does. */
  async function setUp() {
    const state = { answer: '', calls: 0 };
    const instance = await startRawInstance(({ received, socket }) => {
      if (!received.endsWith('\r\n\r\n')) return;
      state.calls++;
      socket.end(state.answer, 'latin1');
    });
    const good = await startRawInstance(({ received, socket }) => {
      if (received.endsWith('\r\n\r\n')) socket.write(OK);
    });
    const sidecar = await startStatic(
      { shop: [instance.port], both: [instance.port, good.port] },
      { outlier: { consecutiveFailures: 0 }, breaker: { enabled: false }, balancer: 'round-robin' },
    );
    return { state, instance, sidecar, port: sidecar.outbound.port };
  }

  it('never look complete, and their connections are never used again', async () => {
    const { state, instance, sidecar, port } = await setUp();
    const failures: string[] = [];
    for (const [name, raw, method] of MALFORMED_ANSWERS) {
      state.answer = raw;
      const path = `/${sidecar.lines.length}-${failures.length}-${state.calls}`;
      const before = instance.connections.length;
      const client = await sendRaw(port, `${method ?? 'GET'} ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`);
      // A reset that comes together with data is an end to Node (libuv): what matters is that nobody can take it for whole.
      let isOver = false;
      void client.closed.then(() => (isOver = true));
      await until(`the end of: ${name}`, () => {
        const final = client.received().replace(/^(?:HTTP\/1\.1 1\d\d [^]*?\r\n\r\n)+/, '');
        return final.startsWith('HTTP/1.1 502 ') ? final.includes('\r\n\r\n') : isOver;
      });
      const final = client.received().replace(/^(?:HTTP\/1\.1 1\d\d [^]*?\r\n\r\n)+/, '');
      client.socket.destroy();
      const code = /X-Pilotfish-Code: (\w+)/.exec(final)?.[1];
      const isRight = final.startsWith('HTTP/1.1 502 ')
        ? /^PF_UPSTREAM_(?:PROTOCOL|CLOSED)$/.test(code ?? '')
        : !isWhole(final);
      if (!isRight) failures.push(`${name}: ${final.slice(0, 60)} ${code ?? ''}`);
      const perCall = instance.connections
        .slice(before)
        .map(({ received }) => received.split('HTTP/1.1\r\n').length - 1);
      if (perCall.some((requests) => requests !== 1)) failures.push(`${name}: a connection was used again`);
    }
    expect(failures).toEqual([]);
    await until('all connections are closed', () => instance.connections.every(({ isClosed }) => isClosed));
    await until('all are logged', () => accessLog(sidecar).length === MALFORMED_ANSWERS.length);
    const codes = new Set(accessLog(sidecar).map(({ code }) => code));
    expect([...codes].sort()).toEqual(['PF_UPSTREAM_CLOSED', 'PF_UPSTREAM_PROTOCOL']);
    await expectWell(sidecar);
  });

  it('to a GET lead to another instance, to a POST to a 502 and to no second execution', async () => {
    const { state, sidecar, port } = await setUp();
    state.answer = 'HTTP/1.1 2xx\r\n\r\n';
    const call = async (method: string): Promise<string | undefined> => {
      const fields = `Host: both\r\nConnection: close\r\n${method === 'POST' ? 'Content-Length: 0\r\n' : ''}`;
      const received = await exchangeRaw(port, `${method} / HTTP/1.1\r\n${fields}\r\n`);
      return /^HTTP\/1\.1 (\d{3})/.exec(received)?.[1];
    };
    const [gets, posts]: [unknown[], unknown[]] = [[], []];
    for (let round = 0; round < 4; round++) gets.push(await call('GET'));
    const executed = state.calls;
    for (let round = 0; round < 4; round++) posts.push(await call('POST'));
    expect([gets, posts.sort()]).toEqual([
      ['200', '200', '200', '200'],
      ['200', '200', '502', '502'],
    ]);
    expect(state.calls - executed).toBe(2);
    await expectWell(sidecar);
  });

  it('that nobody asked for close an idle connection, and answer nobody', async () => {
    const instance = await startRawInstance(({ received, socket }) => {
      if (received.endsWith('\r\n\r\n')) socket.write(OK);
    });
    const sidecar = await startStatic({ shop: [instance.port] });
    const call = (): Promise<string> =>
      exchangeRaw(sidecar.outbound.port, GOOD, (received) => received.endsWith('\r\n\r\nok'));
    await call();
    instance.connections[0]?.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await until('the connection is closed', () => instance.connections[0]?.isClosed);
    expect(await call()).not.toContain('evil');
    expect(instance.connections).toHaveLength(2);
    await expectWell(sidecar);
  });
});
