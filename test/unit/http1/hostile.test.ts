// The tables of hostile requests and malformed answers, over sockets and at every split.
import { readFileSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { HOSTILE_REQUESTS } from './hostile-requests.ts';
import { MALFORMED_ANSWERS } from './malformed-answers.ts';
import { cut, readAnswers, readRequests } from './reading.ts';
import { closeAll, dial, listen, makePool, proxyTo, RawPeer, serve } from './support.ts';

afterEach(closeAll);

const REQUESTS = HOSTILE_REQUESTS.map(([name, raw, status]) => ({ name, raw, status }));
const ANSWERS = MALFORMED_ANSWERS.map(([name, raw, method]) => ({ name, raw, method: method ?? 'GET' }));

describe('a hostile request', () => {
  it.each(REQUESTS)('is refused: $name', async ({ raw, status }) => {
    let reached = 0;
    const served = await serve(async (request) => {
      reached++;
      await new Promise<void>((resolve, reject) =>
        request.body.read({ onData: () => undefined, onEnd: () => resolve(), onError: reject }),
      );
      throw new Error('it was read to its end');
    });
    const client = await dial(served.port);
    client.write(raw);
    if (status === undefined) client.socket.end();
    await client.until((peer) => peer.hasEnded || peer.isClosed);
    const answers = client.received.match(/^HTTP\/1\.1 \d{3}/gm) ?? [];
    if (status === undefined) {
      expect(answers.filter((answer) => !answer.endsWith(' 400'))).toEqual([]);
    } else {
      expect(answers).toEqual([`HTTP/1.1 ${status}`]);
      expect(client.received).toContain('\r\nConnection: close\r\n');
      expect(reached).toBe(0);
    }
  });

  it.each(REQUESTS.filter(({ raw }) => raw.length < 600))('is refused at every split: $name', ({ raw, status }) => {
    const bytes = Buffer.from(raw, 'latin1');
    const whole = readRequests([bytes]);
    expect(whole.error).toBe(status === undefined ? undefined : `PF_BAD_REQUEST ${status}`);
    expect(whole.messages).toEqual([]);
    for (let at = 1; at < bytes.length; at++) expect(readRequests(cut(bytes, [at]))).toEqual(whole);
    expect(readRequests(cut(bytes, [...bytes.keys()]))).toEqual(whole);
  });
});

describe('a malformed answer', () => {
  it.each(ANSWERS)('never looks complete: $name', async ({ raw, method }) => {
    const port = await listen((socket) => {
      const peer = new RawPeer(socket);
      void peer.until(({ received }) => received.includes('\r\n\r\n')).then(() => socket.end(raw, 'latin1'));
    });
    const pool = makePool();
    const served = await serve(proxyTo(port, pool));
    const client = await dial(served.port);
    client.write(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    const afterInterim = (): string => client.received.replace(/^(HTTP\/1\.1 1\d\d[^]*?\r\n\r\n)+/, '');
    await client.until((peer) => afterInterim().includes('\r\n\r\n') || peer.isClosed);
    await client.until((peer) => served.completed.length === 1 || peer.isClosed);
    const final = afterInterim();
    if (!final.startsWith('HTTP/1.1 502')) await client.until((peer) => peer.isClosed);
    else expect(final).toMatch(/x-pilotfish-code: PF_UPSTREAM_(PROTOCOL|CLOSED)\r\n/);
    if (final.startsWith('HTTP/1.1 200')) expect(client.error?.code).toBe('ECONNRESET');
    expect(pool.idle).toEqual([]);
    expect(pool.errors.map(({ code }) => code)).toEqual([expect.stringMatching(/^PF_UPSTREAM_(PROTOCOL|CLOSED)$/)]);
  });

  it.each(ANSWERS.filter(({ raw }) => raw.length < 600))('is judged alike at every split: $name', ({ raw, method }) => {
    const bytes = Buffer.from(raw, 'latin1');
    const whole = readAnswers([bytes], method);
    for (let at = 1; at < bytes.length; at++) expect(readAnswers(cut(bytes, [at]), method)).toEqual(whole);
    expect(readAnswers(cut(bytes, [...bytes.keys()]), method)).toEqual(whole);
  });
});

describe('what fuzzing once found', () => {
  const folder = new URL('../../fuzz/corpus/', import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith('.bin'));
  it.each(names.length === 0 ? ['(nothing yet)'] : names)('%s is judged alike at every split', (name) => {
    if (!names.includes(name)) return;
    const bytes = readFileSync(new URL(name, folder));
    const read = name.startsWith('answer-') ? readAnswers : readRequests;
    const whole = read([bytes]);
    for (let at = 1; at < Math.min(bytes.length, 2_000); at++) expect(read(cut(bytes, [at]))).toEqual(whole);
  });
});
