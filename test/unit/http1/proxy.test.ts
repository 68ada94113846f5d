// Server and client side of the codec joined: what a client sends reaches the upstream, what it answers reaches the client.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { closeAll, dial, listen, makePool, proxyTo, RawPeer, serve } from './support.ts';

afterEach(closeAll);

/** A raw upstream that answers each request head with `answer`. */
async function upstream(answer: (peer: RawPeer, index: number) => void): Promise<{ port: number; peers: RawPeer[] }> {
  const peers: RawPeer[] = [];
  const port = await listen((socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    let seen = 0;
    socket.on('data', () => {
      const heads = peer.received.split('\r\n\r\n').length - 1;
      while (seen < heads) answer(peer, seen++);
    });
  });
  return { port, peers };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-From: up\r\n\r\nhello';

describe('a proxied request', () => {
  it('goes out and comes back with the spelling of its fields kept', async () => {
    const up = await upstream((peer) => peer.write(OK));
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write('GET /a?b=c HTTP/1.1\r\nHost: Orders\r\nX-cAsE: 1\r\nConnection: keep-alive\r\n\r\n');
    await client.until((peer) => peer.received.endsWith('hello'));
    expect(client.received).toMatch(
      /^HTTP\/1\.1 200 OK\r\nContent-Length: 5\r\nX-From: up\r\nDate: [^\r]+\r\n\r\nhello$/,
    );
    expect(up.peers[0]?.received).toBe('GET /a?b=c HTTP/1.1\r\nHost: Orders\r\nX-cAsE: 1\r\n\r\n');
    expect(served.completed[0]?.end).toMatchObject({ error: undefined, sentBytes: 5 });
  });

  it('may have as many fields as are let pass, and those that a sidecar adds', async () => {
    const up = await upstream((peer) => peer.write(OK));
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    const added = ['Via', 'X-Request-Id', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Pilotfish-To'];
    const said = ['X-Request-Attempt', 'X-Request-Timeout-Ms', 'grpc-timeout'];
    const fields = 'A: b\r\n'.repeat(99) + [...added, ...said].map((name) => `${name}: 1\r\n`).join('');
    client.write(`GET / HTTP/1.1\r\nHost: orders\r\n${fields}\r\n`);
    await client.until((peer) => peer.received.endsWith('hello'));
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('is followed by others on the same connections', async () => {
    const up = await upstream((peer) => peer.write(OK));
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    for (let round = 1; round <= 3; round++) {
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client.until((peer) => peer.received.split('hello').length === round + 1);
    }
    expect(up.peers.length).toBe(1);
  });

  it('may be pipelined: answers come in order', async () => {
    const up = await upstream((peer, index) => peer.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${index}`));
    const served = await serve(proxyTo(up.port, makePool()));
    const client = await dial(served.port);
    client.write(
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    await client.until((peer) => peer.received.split('HTTP/1.1 200').length === 4 && peer.received.endsWith('2'));
    expect(client.received.match(/\r\n\r\n\d/g)).toEqual(['\r\n\r\n0', '\r\n\r\n1', '\r\n\r\n2']);
  });

  it('carries chunked content and trailers both ways', async () => {
    const server = createServer((incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        outgoing.writeHead(200, { trailer: 'x-sum' });
        outgoing.write(Buffer.concat(chunks));
        outgoing.addTrailers({ 'x-sum': String(incoming.trailers['x-up']) });
        outgoing.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const served = await serve(proxyTo((server.address() as AddressInfo).port, makePool()));
    const client = await dial(served.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n');
    client.write('2\r\nde\r\n0\r\nX-Up: 7\r\n\r\n');
    await client.until((peer) => peer.received.endsWith('\r\nx-sum: 7\r\n\r\n'));
    expect(client.received).toContain('\r\n\r\n5\r\nabcde\r\n0\r\n');
    server.closeAllConnections();
    server.close();
  });
});
