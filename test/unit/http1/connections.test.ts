// How connections behave at their edges: half-close and abort, early answers, back-pressure, timeouts, tunnels.
import { afterEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyResponse, type ProxyRequest } from '../../../src/http/message.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { closeAll, dial, listen, makePool, proxyTo, RawPeer, serve } from './support.ts';

afterEach(closeAll);

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** A raw upstream: `onHead` is told of each connection once its first head is complete. */
async function upstream(onHead: (peer: RawPeer) => void): Promise<{ port: number; peers: RawPeer[] }> {
  const peers: RawPeer[] = [];
  const port = await listen((socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    void peer.until(({ received }) => received.includes('\r\n\r\n')).then(() => onHead(peer));
  });
  return { port, peers };
}

function ok(text: string): ProxyResponse {
  return new ProxyResponse(200, new Headers(), Body.of(Buffer.from(text)));
}

/** Resolves when `body` has ended, with its text. */
function text(body: Body): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = '';
    body.read({ onData: (chunk) => (all += chunk.toString()), onEnd: () => resolve(all), onError: reject });
  });
}

/** Resolves once `condition` holds; looked at after each turn of the loop. */
async function eventually(condition: () => boolean): Promise<void> {
  const untilMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > untilMs) throw new Error('it never came true');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves once `value` has stayed the same for many turns of the loop. */
async function quiet(value: () => number): Promise<void> {
  for (let turns = 0, before = -1; turns < 2_000; turns++) {
    if (value() !== before) turns = 0;
    before = value();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a client that closes its direction', () => {
  it('is answered when it only closed half', async () => {
    const up = await upstream(() => undefined);
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.socket.end(GET, 'latin1');
    await client.until((peer) => peer.received.split('100 Continue').length > 2);
    up.peers[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
    await client.until((peer) => peer.hasEnded);
    expect(client.received).toMatch(/^(HTTP\/1\.1 100 Continue\r\n\r\n)+HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhi$/);
    expect(served.completed[0]?.end.error).toBeUndefined();
  });

  it('within a pipelined head is refused once the answer before it is out', async () => {
    let answer: (response: ProxyResponse) => void = () => undefined;
    const served = await serve(() => new Promise((resolve) => (answer = resolve)));
    const client = await dial(served.port);
    client.write(GET);
    await eventually(() => served.connections[0]?.isIdle === false);
    client.socket.end('GET / HT', 'latin1');
    answer(ok('one'));
    await client.until((peer) => peer.hasEnded);
    expect(client.received.match(/HTTP\/1\.1 [2-5]\d\d/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
  });

  it('behind an empty line has ended no head: nothing is said to it', async () => {
    const served = await serve(async () => ok('x'));
    const client = await dial(served.port);
    client.write(`${GET}\r\n`);
    await client.until((peer) => peer.received.endsWith('x'));
    client.socket.end();
    await client.until((peer) => peer.hasEnded);
    expect(client.received.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 200']);
    expect(served.refused).toEqual([]);
  });

  it('ends the request upstream when it is gone', async () => {
    const up = await upstream(() => undefined);
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write(GET);
    await eventually(() => up.peers[0]?.received.includes('\r\n\r\n') === true);
    client.socket.destroy();
    await up.peers[0]?.until((peer) => peer.isClosed);
    expect(served.completed.map(({ end }) => end.error?.code)).toEqual(['PF_CLIENT_CLOSED']);
  });

  it('ends each of its pipelined requests upstream when it is gone', async () => {
    const up = await upstream(() => undefined);
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write(`${GET}${GET}${GET}`);
    await eventually(() => up.peers[0]?.received.includes('\r\n\r\n') === true);
    up.peers[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
    await eventually(() => up.peers[0]?.received.split('\r\n\r\n').length === 3);
    client.socket.destroy();
    await up.peers[0]?.until((peer) => peer.isClosed);
    expect(served.completed.map(({ end }) => end.error?.code)).toEqual([undefined, 'PF_CLIENT_CLOSED']);
  });

  it('behind pipelined requests has all of them answered where it only closed half', async () => {
    const up = await upstream(() => undefined);
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.socket.end(`${GET}${GET}`, 'latin1');
    for (let answered = 1; answered <= 2; answered++) {
      await client.until((peer) => peer.received.split('100 Continue').length > 2 * answered);
      up.peers[0]?.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${answered}`);
      await client.until((peer) => peer.received.endsWith(`\r\n\r\n${answered}`));
    }
    await client.until((peer) => peer.hasEnded);
    expect(served.completed.map(({ end }) => end.error)).toEqual([undefined, undefined]);
  });

  it('ends the request upstream at once when it resets the connection', async () => {
    const up = await upstream(() => undefined);
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write(GET);
    await eventually(() => up.peers[0]?.received.includes('\r\n\r\n') === true);
    client.socket.resetAndDestroy();
    await up.peers[0]?.until((peer) => peer.isClosed);
    expect(served.completed.length).toBe(1);
    expect(served.completed[0]?.end.response).toBeUndefined();
  });

  it('ends the request upstream when its content is not complete', async () => {
    const up = await upstream(() => undefined);
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello');
    await eventually(() => up.peers[0]?.received.endsWith('hello') === true);
    client.socket.end();
    await up.peers[0]?.until((peer) => peer.isClosed);
    await client.until((peer) => peer.isClosed || peer.hasEnded);
    expect(client.received).toBe('');
    expect(served.completed[0]?.end.error?.code).toBe('PF_CLIENT_CLOSED');
  });
});

describe('a client whose content nobody takes', () => {
  it('is heard when it resets the connection', async () => {
    const served = await serve(() => new Promise(() => undefined));
    const client = await dial(served.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    client.socket.write(Buffer.alloc(50_000_000));
    await eventually(() => served.connections[0]?.socket.isPaused() === true);
    client.socket.resetAndDestroy();
    await eventually(() => served.completed.length === 1);
    expect(served.completed[0]?.end.error?.code).toBe('PF_CLIENT_CLOSED');
  });
});

describe('Expect: 100-continue', () => {
  it('goes upstream, and the 100 of the upstream comes back before the content is sent', async () => {
    const up = await upstream((peer) => peer.write('HTTP/1.1 100 Continue\r\n\r\n'));
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
    await client.until((peer) => peer.received === 'HTTP/1.1 100 Continue\r\n\r\n');
    expect(up.peers[0]?.received).toContain('Expect: 100-continue\r\n');
    client.write('abc');
    await eventually(() => up.peers[0]?.received.endsWith('abc') === true);
    up.peers[0]?.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
    await client.until((peer) => peer.received.includes(' 201 Created'));
    expect(client.received).not.toContain('Connection: close');
  });

  it('is ignored in HTTP/1.0, and no interim answer is sent there', async () => {
    const up = await upstream((peer) =>
      peer.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'),
    );
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write('PUT / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc');
    await client.until((peer) => peer.hasEnded);
    expect(up.peers[0]?.received).not.toContain('Expect');
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('refuses any other expectation with 417', async () => {
    const served = await serve(async () => ok('never'));
    const client = await dial(served.port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n');
    await client.until((peer) => peer.hasEnded);
    expect(client.received).toMatch(/^HTTP\/1\.1 417 /);
  });
});

describe('an informational answer', () => {
  it('is passed on to a client of HTTP/1.1', async () => {
    const up = await upstream((peer) =>
      peer.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'),
    );
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write(GET);
    await client.until((peer) => peer.received.endsWith('\r\n\r\nx'));
    expect(client.received).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });
});

describe('an answer without content', () => {
  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n', 'Content-Length: 1234\r\n'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', ''],
    [
      'GET',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n',
      'Content-Length: 99\r\nETag: "x"\r\n',
    ],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
    ['GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', ''],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'Content-Length: 0\r\n'],
  ])('%s, %j: the connection goes on', async (method, answer, fields) => {
    const up = await upstream((peer) => peer.write(answer));
    const pool = makePool();
    const served = await serve(proxyTo(up.port, pool));
    const client = await dial(served.port);
    client.write(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.until((peer) => peer.received.endsWith('\r\n\r\n'));
    expect(client.received.replace(/^[^\r]*\r\n/, '').replace(/Date: [^\r]*\r\n/, '')).toBe(`${fields}\r\n`);
    expect(pool.idle.length).toBe(1);
  });
});

describe('a client of HTTP/1.0', () => {
  it('gets content without chunks, and the end of the connection as its end', async () => {
    const up = await upstream((peer) =>
      peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'),
    );
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    await client.until((peer) => peer.hasEnded);
    expect(client.received).toMatch(/Connection: close\r\n\r\nabc$/);
    expect(client.received).not.toContain('Transfer-Encoding');
  });

  it('keeps its connection where it asks for that', async () => {
    const served = await serve(async () => ok('x'));
    const client = await dial(served.port);
    for (let round = 1; round <= 2; round++) {
      client.write('GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
      await client.until((peer) => peer.received.split('\r\n\r\nx').length === round + 1);
    }
    expect(client.received).toContain('Connection: keep-alive\r\n');
  });

  it('sees a reset, not an end, when content without a length breaks off', async () => {
    const up = await upstream((peer) => {
      peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
      peer.socket.end();
    });
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    await client.until((peer) => peer.isClosed);
    expect(client.error?.code).toBe('ECONNRESET');
    expect(served.completed[0]?.end.error?.code).toBe('PF_UPSTREAM_CLOSED');
  });
});

describe('content that ends with its connection', () => {
  it.each([
    ['whole', '', '5\r\nhello\r\n0\r\n\r\n', (peer: RawPeer) => peer.socket.end('hello')],
    ['and was never there', '', '0\r\n\r\n', (peer: RawPeer) => peer.socket.end()],
    [
      'behind some that came with the head',
      'ab',
      '2\r\nab\r\n1\r\nc\r\n0\r\n\r\n',
      (peer: RawPeer) => peer.socket.end('c'),
    ],
  ])('and comes later than its head is one answer: %s', async (_, early, expected, finish) => {
    const up = await upstream((peer) => peer.write(`HTTP/1.1 200 OK\r\nX-Early: 1\r\n\r\n${early}`));
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write(GET);
    await client.until(({ received }) => received.includes('X-Early'));
    await quiet(() => client.received.length);
    if (up.peers[0] !== undefined) finish(up.peers[0]);
    await eventually(() => served.completed.length === 1);
    await quiet(() => client.received.length);
    expect(client.received.slice(client.received.indexOf('\r\n\r\n') + 4)).toBe(expected);
  });
});

describe('an early answer', () => {
  it('reaches a client that is still sending, and the connection ends', async () => {
    const up = await upstream((peer) => peer.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig'));
    const pool = makePool();
    const served = await serve(proxyTo(up.port, pool));
    const client = await dial(served.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    const block = Buffer.alloc(65_536);
    const timer = setInterval(() => client.socket.write(block), 1);
    await client.until((peer) => peer.hasEnded);
    clearInterval(timer);
    expect(client.received).toMatch(/^HTTP\/1\.1 413 [^]*Connection: close\r\n\r\nbig$/);
    expect(client.error).toBeUndefined();
    await eventually(() => pool.closed === 1);
    expect(pool.idle.length).toBe(0);
  });

  it('without a look at small content that is already here keeps the connection', async () => {
    const served = await serve(async () => ok('no'));
    const client = await dial(served.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    await client.until((peer) => peer.received.endsWith('no'));
    client.write(GET);
    await client.until((peer) => peer.received.split('\r\n\r\nno').length === 3);
  });
});

describe('back-pressure', () => {
  it('holds an upload that nobody reads, and lets it go on when somebody does', async () => {
    let request: ProxyRequest | undefined;
    const served = await serve(async (incoming) => {
      request = incoming;
      await gate;
      return ok(String((await text(incoming.body)).length));
    });
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const client = await dial(served.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n');
    client.socket.write(Buffer.alloc(8_000_000, 0x78));
    await eventually(() => client.socket.writableLength > 0 && (request?.body.received ?? 0) > 0);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(request?.body.received).toBeLessThan(400_000);
    open();
    await client.until((peer) => peer.received.endsWith('8000000'));
  });

  it('does not read from an upstream what its client does not take', async () => {
    const block = Buffer.alloc(65_536, 0x79);
    let offered = 0;
    const total = 4_000;
    const up = await upstream((peer) => {
      peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total * block.length}\r\n\r\n`);
      const push = (): void => {
        while (offered < total && !peer.isClosed) {
          offered++;
          if (!peer.socket.write(block)) return void peer.socket.once('drain', push);
        }
      };
      push();
    });
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.socket.removeAllListeners('data');
    client.socket.pause();
    client.write(GET);
    await eventually(() => offered > 0);
    await quiet(() => offered);
    expect(offered).toBeLessThan(total / 2);
    let bytes = 0;
    client.socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    client.socket.resume();
    await eventually(() => bytes > total * block.length);
    await eventually(() => served.completed.length === 1);
    expect(served.completed[0]?.end.sentBytes).toBe(total * block.length);
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(200_000_000);
  });

  it('stops serving a client that sends requests and reads no answers', async () => {
    const answer = 'z'.repeat(10_000);
    let count = 0;
    const served = await serve(async () => {
      count++;
      return ok(answer);
    });
    const client = await dial(served.port);
    client.socket.removeAllListeners('data');
    client.socket.pause();
    for (let index = 0; index < 20_000; index++) client.write(GET);
    await quiet(() => count);
    expect(count).toBeLessThan(10_000);
    client.socket.on('data', () => undefined);
    client.socket.resume();
    await eventually(() => count === 20_000);
  });
});

describe('a connection that ends behind its answer', () => {
  it.each([
    ['the client asked for that', false],
    ['the client has closed its direction', true],
  ])('delivers all of it to a slow reader, where %s', async (_, isHalfClosed) => {
    const size = 12_000_000;
    const served = await serve(async () => new ProxyResponse(200, new Headers(), Body.of(Buffer.alloc(size))));
    const client = await dial(served.port);
    client.socket.removeAllListeners('data');
    client.socket.pause();
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    if (isHalfClosed) client.socket.end();
    await eventually(() => (served.connections[0]?.socket.bytesWritten ?? 0) > size);
    await quiet(() => served.connections[0]?.socket.writableLength ?? 0);
    let bytes = 0;
    client.socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    client.socket.resume();
    await client.until((peer) => peer.hasEnded);
    expect(bytes).toBeGreaterThan(size);
    expect(client.error).toBeUndefined();
  });
});

describe('timeouts', () => {
  it('answers 408 to a head that does not come to its end', async () => {
    const clock = new FakeClock();
    const served = await serve(async () => ok('x'), { clock, deadlines: new DeadlineLists(clock) });
    const client = await dial(served.port);
    client.write('GET / HT');
    await eventually(() => served.connections[0]?.isIdle === false);
    await clock.advance(11_000);
    await client.until((peer) => peer.hasEnded);
    expect(client.received).toMatch(/^HTTP\/1\.1 408 /);
    expect(served.refused.map((error) => error.status)).toEqual([408]);
  });

  it('closes without a word a connection on which nothing came for as long as an idle one may stay', async () => {
    const clock = new FakeClock();
    const served = await serve(async () => ok('x'), { clock, deadlines: new DeadlineLists(clock) });
    const client = await dial(served.port);
    await eventually(() => served.connections.length === 1);
    await clock.advance(59_000);
    expect(client.hasEnded).toBe(false);
    await clock.advance(2_000);
    await client.until((peer) => peer.hasEnded);
    expect(client.received).toBe('');
  });

  it('counts an empty line behind a request as no beginning of another', async () => {
    const clock = new FakeClock();
    const served = await serve(async () => ok('x'), { clock, deadlines: new DeadlineLists(clock) });
    const client = await dial(served.port);
    client.write(`${GET}\r\n`);
    await client.until((peer) => peer.received.endsWith('x'));
    await clock.advance(11_000);
    expect(served.connections[0]?.isIdle).toBe(true);
    client.write(GET);
    await client.until((peer) => peer.received.split('\r\n\r\nx').length === 3);
    client.write('\r\nG');
    await eventually(() => served.connections[0]?.isIdle === false);
    await clock.advance(11_000);
    await client.until((peer) => peer.hasEnded);
    expect(served.refused.map((error) => error.status)).toEqual([408]);
  });

  it('closes a connection that was idle for too long', async () => {
    const clock = new FakeClock();
    const served = await serve(async () => ok('x'), { clock, deadlines: new DeadlineLists(clock) });
    const client = await dial(served.port);
    client.write(GET);
    await client.until((peer) => peer.received.endsWith('x'));
    await clock.advance(59_000);
    expect(client.hasEnded).toBe(false);
    await clock.advance(2_000);
    await client.until((peer) => peer.hasEnded);
  });

  it('answers 408 when announced content does not come', async () => {
    const clock = new FakeClock();
    const served = await serve(async (request) => ok(await text(request.body)), {
      clock,
      deadlines: new DeadlineLists(clock),
    });
    const client = await dial(served.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab');
    await eventually(() => served.connections[0]?.isIdle === false);
    await clock.advance(11_000);
    await client.until((peer) => peer.hasEnded);
    expect(client.received).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('ends a connection of which the client does not read its answer', async () => {
    const clock = new FakeClock();
    const endless = new Body(
      { pauseBody: () => undefined, resumeBody: () => undefined, cancelBody: () => undefined },
      undefined,
    );
    const served = await serve(async () => new ProxyResponse(200, new Headers(), endless), {
      clock,
      deadlines: new DeadlineLists(clock),
    });
    const client = await dial(served.port);
    client.socket.removeAllListeners('data');
    client.socket.pause();
    client.write(GET);
    await eventually(() => served.connections[0]?.isIdle === false);
    for (let index = 0; index < 400; index++) endless.push(Buffer.alloc(65_536));
    await clock.advance(11_000);
    await eventually(() => served.completed.length === 1);
    expect(served.completed[0]?.end.error?.code).toBe('PF_CLIENT_CLOSED');
  });
});

describe('a WebSocket', () => {
  const HANDSHAKE =
    'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  const SWITCH =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n';

  it('becomes a tunnel after a 101, bytes sent too early included, each direction ending on its own', async () => {
    const up = await upstream((peer) => peer.write(`${SWITCH}first`));
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write(`${HANDSHAKE}early`);
    await client.until((peer) => peer.received.endsWith('first'));
    expect(client.received).toMatch(
      /^HTTP\/1\.1 101 Switching Protocols\r\n[^]*Connection: Upgrade\r\nUpgrade: websocket\r\n/,
    );
    await eventually(() => up.peers[0]?.received.endsWith('early') === true);
    expect(up.peers[0]?.received).toContain('Connection: Upgrade\r\nUpgrade: websocket\r\n');
    client.socket.end('bye');
    await up.peers[0]?.until((peer) => peer.hasEnded);
    expect(up.peers[0]?.received.endsWith('bye')).toBe(true);
    up.peers[0]?.socket.end('last');
    await client.until((peer) => peer.hasEnded);
    expect(client.received.endsWith('last')).toBe(true);
    await eventually(() => served.completed.length === 1);
    expect(served.completed[0]?.end.error).toBeUndefined();
  });

  it('that is declined leaves a connection for further requests', async () => {
    const served = await serve(async (request) => {
      expect(request.isUpgrade).toBe(request.path === '/chat');
      return ok('no');
    });
    const client = await dial(served.port);
    client.write(HANDSHAKE + GET);
    await client.until((peer) => peer.received.split('\r\n\r\nno').length === 3);
  });

  it.each([
    ['of another version', HANDSHAKE.replace('13', '8')],
    ['with a key that is none', HANDSHAKE.replace('dGhl', '')],
    ['by POST', HANDSHAKE.replace('GET', 'POST')],
    ['to something else', HANDSHAKE.replace('websocket', 'h2c')],
    ['that Connection does not name', HANDSHAKE.replace('Connection: Upgrade', 'Connection: keep-alive')],
    ['with content', HANDSHAKE.replace('\r\n\r\n', '\r\nContent-Length: 1\r\n\r\nx')],
  ])('%s goes on as a plain request', async (_, handshake) => {
    const served = await serve(async (request) => {
      expect(request.headers.has('upgrade') || request.headers.has('connection')).toBe(false);
      return ok(String(request.isUpgrade));
    });
    const client = await dial(served.port);
    client.write(handshake);
    await client.until((peer) => peer.received.endsWith('false'));
  });
});

describe('a handler', () => {
  it('that throws instead of rejecting is rescued, too', async () => {
    const served = await serve(() => {
      throw new ProxyError('PF_NO_ROUTE', 'none');
    });
    const client = await dial(served.port);
    client.write(GET);
    await client.until((peer) => peer.received.endsWith('none'));
  });

  it('that throws is rescued', async () => {
    const served = await serve(() => Promise.reject(new ProxyError('PF_NO_ROUTE', 'none')));
    const client = await dial(served.port);
    client.write(GET);
    await client.until((peer) => peer.received.endsWith('none'));
    expect(client.received).toMatch(/^HTTP\/1\.1 404 /);
    expect(served.completed.length).toBe(1);
  });

  it('whose body is shorter than announced never looks complete', async () => {
    const body = new Body(undefined, 10);
    body.push(Buffer.from('abc'));
    body.end(undefined);
    const served = await serve(async () => new ProxyResponse(200, new Headers(), body));
    const client = await dial(served.port);
    client.write(GET);
    await client.until((peer) => peer.isClosed);
    expect(client.received).toBe('');
  });

  it('is not asked about OPTIONS whose Max-Forwards has run out', async () => {
    const served = await serve(async (request) => ok(request.headers.get('max-forwards') ?? ''));
    const client = await dial(served.port);
    client.write('OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n');
    await client.until((peer) => peer.received.endsWith('\r\n\r\n'));
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\nAllow: GET, /);
    client.write('OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 7\r\n\r\n');
    await client.until((peer) => peer.received.endsWith('\r\n\r\n6'));
  });
});

describe('closing', () => {
  it('lets the request in flight end, with Connection: close', async () => {
    let answer: (response: ProxyResponse) => void = () => undefined;
    const served = await serve(() => new Promise((resolve) => (answer = resolve)));
    const client = await dial(served.port);
    client.write(GET);
    await eventually(() => served.connections[0]?.isIdle === false);
    served.connections[0]?.close();
    answer(ok('done'));
    await client.until((peer) => peer.hasEnded);
    expect(client.received).toMatch(/Connection: close\r\n\r\ndone$/);
  });

  it('ends an idle connection at once', async () => {
    const served = await serve(async () => ok('x'));
    const client = await dial(served.port);
    await eventually(() => served.connections.length === 1);
    served.connections[0]?.close();
    await client.until((peer) => peer.hasEnded);
  });
});
