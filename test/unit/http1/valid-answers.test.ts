// Valid answers, however their bytes come: the client gets the same one answer, and the connections live or end as they said.
import { afterEach, describe, expect, it } from 'vitest';
import { closeAll, dial, listen, makePool, proxyTo, RawPeer, serve } from './support.ts';

afterEach(closeAll);

type ValidAnswer = readonly [name: string, raw: string, content: string, isReused: boolean, method?: string];

const ok = (fields: string, content = ''): string => `HTTP/1.1 200 OK\r\n${fields}\r\n${content}`;
const chunks = (content: string): string => ok('Transfer-Encoding: chunked\r\n', content);

const VALID_ANSWERS: readonly ValidAnswer[] = [
  ['content of a length', ok('Content-Length: 5\r\n', 'hello'), 'hello', true],
  ['no content', ok('Content-Length: 0\r\n'), '', true],
  ['chunks', chunks('1\r\nh\r\n04\r\nello\r\n0\r\n\r\n'), 'hello', true],
  ['chunks with extensions', chunks('5;a=b;c="d\\"e"\r\nhello\r\n000;f\r\n\r\n'), 'hello', true],
  ['chunks with line ends in them', chunks('7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n'), '0\r\n\r\n\r\n', true],
  ['no chunk but the last', chunks('0\r\n\r\n'), '', true],
  ['trailers', chunks('5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n'), 'hello', true],
  ['content to the end', ok('', 'hello'), 'hello', false],
  ['nothing to the end', ok(''), '', false],
  ['content to the end in HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nhello', 'hello', false],
  ['a length in HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello', false],
  ['Connection: close', ok('Connection: close\r\nContent-Length: 5\r\n', 'hello'), 'hello', false],
  [
    'interim answers in front',
    `HTTP/1.1 103 Early\r\nLink: a\r\n\r\n${ok('Content-Length: 5\r\n', 'hello')}`,
    'hello',
    true,
  ],
  ['a 204', 'HTTP/1.1 204 No Content\r\n\r\n', '', true],
  ['a 304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', '', true],
  ['an answer to HEAD', ok('Content-Length: 5\r\n'), '', true, 'HEAD'],
  ['a status line without a reason', 'HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello', 'hello', true],
];

const ANSWERS = VALID_ANSWERS.map(([name, raw, content, isReused, method]) => ({
  name,
  raw,
  content,
  isReused,
  method: method ?? 'GET',
}));

/** Content of the one final answer in `received`; undefined where it is not whole, or where there is more. */
function contentOf(received: string, method: string): string | undefined {
  const final = received.replace(/^(?:HTTP\/1\.1 1\d\d [^]*?\r\n\r\n)+/, '');
  const end = final.indexOf('\r\n\r\n') + 4;
  const [head, content] = [final.slice(0, end), final.slice(end)];
  if (end < 4) return undefined;
  if (method === 'HEAD' || /^HTTP\/1\.1 (?:204|304)/.test(head)) return content;
  if (!/\r\nTransfer-Encoding: chunked\r\n/.test(head))
    return content.length === Number(/\r\nContent-Length: (\d+)\r\n/.exec(head)?.[1]) ? content : undefined;
  let decoded = '';
  for (let at = 0; ;) {
    const [line = '', digits = ''] = /^([0-9a-f]+)\r\n/.exec(content.slice(at)) ?? [];
    const size = Number.parseInt(digits, 16);
    at += line.length;
    if (size === 0) return /^(?:X-Sum: 1\r\n)?\r\n$/.test(content.slice(at)) ? decoded : undefined;
    if (!(at + size + 2 <= content.length)) return undefined;
    decoded += content.slice(at, at + size);
    at += size + 2;
  }
}

/** The pieces that are written one after the other. */
const WAYS: readonly { readonly way: string; readonly cut: (raw: string) => readonly string[] }[] = [
  { way: 'at once', cut: (raw) => [raw] },
  { way: 'line by line', cut: (raw) => raw.split(/(?<=\r\n)/) },
  { way: 'byte by byte', cut: (raw) => Array.from(raw) },
  {
    way: 'head first',
    cut: (raw) => {
      const end = raw.lastIndexOf('\r\n\r\n') + 4;
      return [raw.slice(0, end), raw.slice(end)];
    },
  },
];

describe.each(WAYS)('a valid answer that comes $way', ({ cut }) => {
  it.each(ANSWERS)('is passed on as it is: $name', async ({ raw, content, isReused, method }) => {
    const port = await listen((socket) => {
      const peer = new RawPeer(socket);
      void peer
        .until(({ received }) => received.includes('\r\n\r\n'))
        .then(async () => {
          for (const piece of cut(raw)) {
            peer.write(piece);
            // Turns of the loop that all sides share: what was written is read on its own.
            for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
          }
          if (!isReused) socket.end();
        });
    });
    const pool = makePool();
    const served = await serve(proxyTo(port, pool));
    const client = await dial(served.port);
    client.write(`${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await client.until((peer) => peer.hasEnded);
    expect(contentOf(client.received, method)).toBe(content);
    expect(served.completed.map(({ end }) => end.error)).toEqual([undefined]);
    expect(pool.idle).toHaveLength(isReused ? 1 : 0);
  });
});
