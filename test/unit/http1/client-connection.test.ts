// The client side alone: what it tells of failures, and when a connection may be used again.
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyRequest, type ProxyResponse } from '../../../src/http/message.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { clientOptions, closeAll, connectTo, forward, listen, makePool, RawPeer } from './support.ts';

afterEach(closeAll);

function request(method = 'GET', body: Body = Body.empty): ProxyRequest {
  return new ProxyRequest({
    direction: 'outbound',
    method,
    scheme: 'http',
    authority: 'a',
    path: '/',
    query: '',
    httpVersion: 11,
    headers: Headers.of(['Host', 'a']),
    body,
    peer: '',
    receivedAtMs: 0,
  });
}

/** An instance that answers the first head of each connection with `raw`, and a connection of ours to it. */
async function instance(raw: string, options = clientOptions()) {
  const peers: RawPeer[] = [];
  const port = await listen((socket: Socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    void peer.until(({ received }) => received.includes('\r\n\r\n')).then(() => peer.write(raw));
  });
  const pool = makePool();
  const connection = await connectTo(port, pool, options);
  return { peers, pool, connection };
}

function text(response: ProxyResponse): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = '';
    response.body.read({ onData: (chunk) => (all += chunk.toString()), onEnd: () => resolve(all), onError: reject });
  });
}

async function eventually(condition: () => boolean): Promise<void> {
  const untilMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > untilMs) throw new Error('it never came true');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';

describe('a connection to an instance', () => {
  it('is available again after its answer, in the same turn', async () => {
    const { pool, connection } = await instance(OK);
    expect(connection.capacity).toBe(1);
    const answer = forward(connection, request());
    expect(connection.capacity).toBe(0);
    const response = await answer;
    expect(response.body.isComplete).toBe(true);
    expect(await text(response)).toBe('hi');
    expect(pool.idle).toEqual([connection]);
    expect([connection.capacity, connection.used, connection.isUsable]).toEqual([1, 1, true]);
  });

  it.each([
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
    ['Keep-Alive: timeout=0', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nhi'],
  ])('is not used again after %s', async (_, raw) => {
    const { pool, connection } = await instance(raw);
    expect(await text(await forward(connection, request()))).toBe('hi');
    expect(pool.idle).toEqual([]);
    expect(pool.closed).toBe(1);
    expect(connection.capacity).toBe(0);
  });

  it('is used again after HTTP/1.0 with keep-alive', async () => {
    const { pool, connection } = await instance(
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi',
    );
    await forward(connection, request());
    expect(pool.idle).toEqual([connection]);
  });

  it('is not usable from four fifths of the announced idle time on', async () => {
    const clock = new FakeClock();
    const raw = 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 2\r\n\r\nhi';
    const { connection } = await instance(raw, clientOptions({ clock, deadlines: new DeadlineLists(clock) }));
    const response = await forward(connection, request());
    expect(response.headers.has('keep-alive')).toBe(false);
    await clock.advance(3_999);
    expect(connection.isUsable).toBe(true);
    await clock.advance(2);
    expect(connection.isUsable).toBe(false);
  });

  it.each([
    ['a byte', (peer: RawPeer) => peer.write('x')],
    ['an answer', (peer: RawPeer) => peer.write(OK)],
    ['an end', (peer: RawPeer) => void peer.socket.end()],
    ['a reset', (peer: RawPeer) => void peer.socket.resetAndDestroy()],
  ])('is closed when %s comes that nobody asked for', async (_, act) => {
    const { peers, pool, connection } = await instance(OK);
    await forward(connection, request());
    if (peers[0] !== undefined) act(peers[0]);
    await eventually(() => pool.closed === 1);
    expect([connection.capacity, connection.isUsable]).toEqual([0, false]);
  });

  it('says that nothing was sent where the instance had gone before', async () => {
    const { peers, pool, connection } = await instance(OK);
    await forward(connection, request());
    connection.socket.pause(); // we have not seen it yet
    peers[0]?.socket.resetAndDestroy();
    await peers[0]?.until((peer) => peer.isClosed);
    connection.socket.destroy();
    const error = await forward(connection, request('POST', Body.of(Buffer.from('x')))).catch(
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(ProxyError);
    expect(error).toMatchObject({ code: 'PF_UPSTREAM_CLOSED', requestSent: false });
    expect(pool.closed).toBe(1);
  });

  it.each([
    ['small', () => Body.empty],
    ['streamed', () => new Body(undefined, undefined)],
  ])('does not take for the answer what came before the request went out: a %s one', async (_, content) => {
    const { connection } = await instance(OK);
    const failures: ProxyError[] = [];
    const answers: number[] = [];
    connection.send(request('POST'), content(), {
      onInformational: () => undefined,
      onResponse: ({ status }) => answers.push(status),
      onFailed: (error) => failures.push(error),
      onEnd: () => undefined,
    });
    connection.read(Buffer.from(OK)); // In the same turn of the loop.
    await eventually(() => connection.socket.closed);
    expect(answers).toEqual([]);
    expect(failures).toMatchObject([{ code: 'PF_UPSTREAM_CLOSED', requestSent: false }]);
  });

  it('says that something was sent where the instance closes instead of answering', async () => {
    const port = await listen((socket) => {
      socket.once('data', () => socket.end());
    });
    const connection = await connectTo(port, makePool());
    await expect(forward(connection, request())).rejects.toMatchObject({
      code: 'PF_UPSTREAM_CLOSED',
      requestSent: true,
    });
  });

  it('tells the reader of content that breaks off', async () => {
    const { peers, connection } = await instance('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi');
    const response = await forward(connection, request());
    const content = text(response);
    peers[0]?.socket.end();
    await expect(content).rejects.toMatchObject({ code: 'PF_UPSTREAM_CLOSED' });
  });

  it('reads content without a length to the end of the connection', async () => {
    const { peers, connection } = await instance('HTTP/1.1 200 OK\r\n\r\nhi');
    const response = await forward(connection, request());
    const content = text(response);
    peers[0]?.socket.end('!');
    expect(await content).toBe('hi!');
  });

  it('gives up content that stalls, and only while somebody wants it', async () => {
    const clock = new FakeClock();
    const { connection } = await instance(
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi',
      clientOptions({ clock, deadlines: new DeadlineLists(clock) }),
    );
    const response = await forward(connection, request());
    await clock.advance(20_000);
    const content = text(response);
    await clock.advance(4_000);
    expect(connection.capacity).toBe(0);
    void clock.advance(2_000);
    await expect(content).rejects.toMatchObject({ code: 'PF_TIMEOUT' });
  });

  it('ends the exchange at once when it is cancelled', async () => {
    const { peers, pool, connection } = await instance('');
    const incoming = request();
    const answer = forward(connection, incoming);
    await peers[0]?.until((peer) => peer.received.includes('\r\n\r\n'));
    incoming.abort(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    await expect(answer).rejects.toMatchObject({ code: 'PF_CLIENT_CLOSED' });
    await peers[0]?.until((peer) => peer.isClosed);
    expect(peers[0]?.error?.code).toBe('ECONNRESET');
    expect(pool.closed).toBe(1);
  });

  it('ends an upload that its source broke off so that it cannot look complete', async () => {
    const { peers, connection } = await instance('');
    const body = new Body(undefined, undefined);
    const answer = forward(connection, request('POST', body));
    body.push(Buffer.from('abc'));
    await eventually(() => peers[0]?.received.endsWith('\r\n3\r\nabc\r\n') === true);
    body.fail(new ProxyError('PF_BAD_REQUEST', 'broken'));
    await expect(answer).rejects.toMatchObject({ code: 'PF_BAD_REQUEST' });
    await peers[0]?.until((peer) => peer.isClosed);
  });

  it('removes what concerned one hop, what Connection named, and look-alikes', async () => {
    const { connection } = await instance(
      'HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nContent_Length: 7\r\n' +
        'Proxy-Authenticate: x\r\nUpgrade: h2c\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nhi',
    );
    const response = await forward(connection, request());
    expect([...response.headers.entries()]).toEqual([
      ['X-Kept', '1'],
      ['Content-Length', '2'],
    ]);
  });

  it('drops trailers that may not stand there, and keeps the others', async () => {
    const { connection } = await instance(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n',
    );
    const response = await forward(connection, request());
    const whole = response.body.takeWhole(10);
    expect([...(whole?.trailers?.entries() ?? [])]).toEqual([['X-Sum', '1']]);
  });

  it('drops trailers that Connection names, however it spells them', async () => {
    const { connection } = await instance(
      'HTTP/1.1 200 OK\r\nConnection: X-HOP\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Hop: 1\r\nX-Sum: 1\r\nx-hop: 2\r\n\r\n',
    );
    const response = await forward(connection, request());
    const whole = response.body.takeWhole(10);
    expect([...(whole?.trailers?.entries() ?? [])]).toEqual([['X-Sum', '1']]);
  });

  it('does not pass the last of the content on where there are bytes behind it', async () => {
    const { peers, connection } = await instance('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na');
    const response = await forward(connection, request());
    let received = '';
    const broken = new Promise((resolve) =>
      response.body.read({
        onData: (chunk) => (received += chunk.toString()),
        onEnd: () => resolve('whole'),
        onError: resolve,
      }),
    );
    peers[0]?.write('bcd');
    expect(await broken).toMatchObject({ code: 'PF_UPSTREAM_PROTOCOL' });
    expect(received).toBe('a');
  });

  it('closes when its exchange has ended, or at once', async () => {
    const { pool, connection } = await instance(OK);
    const answer = forward(connection, request());
    connection.close();
    expect(await text(await answer)).toBe('hi');
    expect(pool.closed).toBe(1);
    const other = await instance(OK);
    other.connection.close();
    other.connection.close();
    expect(other.pool.closed).toBe(1);
  });

  it.each([
    ['POST', 'Content-Length: 0\r\n'],
    ['GET', ''],
    ['DELETE', ''],
  ])('announces no content of %s as %j', async (method, line) => {
    const { peers, connection } = await instance(OK);
    await forward(connection, request(method));
    expect(peers[0]?.received).toBe(`${method} / HTTP/1.1\r\nHost: a\r\n${line}\r\n`);
  });
});
