// Messages as they should be, as they should not be, and as nobody would think of: grammar first, then mutations.
import type { Random } from './random.ts';

const METHODS = ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT'];
const TARGETS = [
  '/',
  '/a',
  '/a/b?c=d',
  '/a/../b',
  '//a',
  '/%61',
  '/a%2fb',
  '/a;b=c',
  '/?',
  '*',
  'http://shop/x',
  'http://shop',
  '/a#b',
  '/\\',
  '',
];
const HOSTS = ['shop', 'shop', 'shop', 'Shop:80', '[::1]:8', 'a@b', 'a,b', '', 'a:b', 'a..b'];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1'];
const VALUES = ['', 'x', 'a b', '\ta\t', 'caf\xe9', '"q;\\""', 'x'.repeat(300), 'a,b, c', 'a\rb', 'a\0b'];
const NAMES = [
  'X-A',
  'Accept',
  'Cookie',
  'user-agent',
  'X_B',
  'Content_Length',
  'X-Forwarded-For',
  'Via',
  'Trailer',
  'Date',
  'A b',
  '',
];
const HOP = [
  'Connection: keep-alive',
  'Connection: close',
  'Connection: close, X-A',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'TE: trailers',
  'TE: gzip',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'Expect: 100-continue',
  'Max-Forwards: 3',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const CODINGS = ['chunked', 'chunked', 'chunked', 'Chunked', 'gzip, chunked', 'chunked, chunked', 'identity', 'x', ''];
const LENGTH_SPELLINGS = [
  (n: number) => String(n),
  (n: number) => `0${n}`,
  (n: number) => `+${n}`,
  (n: number) => `${n},${n}`,
  () => '',
  () => '99999999999999999999',
];
const EXTENSIONS = ['', '', '', '', ';a', ';a=b', ';a="b\\"c"', ';', '; a', ';a="b'];
const TRAILERS = ['', '', '', 'X-T: 1\r\n', 'X-T: 1\r\nX-U: 2\r\n', 'Content-Length: 3\r\n', 'Host: b\r\n', ': x\r\n'];
const SEPARATORS = [
  '\r\n',
  '\n',
  '\r',
  ' ',
  '\t',
  '\0',
  ':',
  ';',
  ',',
  '0',
  '\x80',
  '\x7f',
  '\r\n\r\n',
  'chunked',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
];
const STATUSES = [
  '200 OK',
  '200 OK',
  '200 OK',
  '204 No Content',
  '304 Not Modified',
  '404 ',
  '500',
  '100 Continue',
  '103 Early Hints',
  '101 Switching Protocols',
  '099 X',
  '600 X',
  '2000',
];

/** One to three requests, or what is left of them, as latin1 text. */
export function requests(random: Random): string {
  let text = '';
  for (let count = random.chance(0.25) ? 1 + random.below(3) : 1; count > 0; count--) text += request(random);
  return random.chance(0.5) ? text : mutate(text, random);
}

/** Several requests for one connection: good ones first, so that what follows meets a connection in use. */
export function train(random: Random): string {
  let text = '';
  for (let count = random.below(8); count > 0; count--)
    text += random.chance(0.5)
      ? `GET /${count} HTTP/1.1\r\nHost: shop\r\n\r\n`
      : `POST /${count} HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc`;
  return text + requests(random);
}

/** One answer, with interim ones in front at times. */
export function answer(random: Random): string {
  let text = '';
  while (random.chance(0.1)) text += 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  const isOdd = random.chance(0.2);
  text += `${random.chance(0.95) ? 'HTTP/1.1' : random.pick(VERSIONS)} ${isOdd ? random.pick(STATUSES) : '200 OK'}\r\n`;
  text += fields(random) + framed(random, isOdd);
  return random.chance(0.5) ? text : mutate(text, random);
}

function request(random: Random): string {
  const isOdd = random.chance(0.3);
  const method = random.pick(METHODS);
  const target = isOdd ? random.pick(TARGETS) : random.pick(['/', '/a', '/a/b?c=d', '/%7ea/./b']);
  let text = `${method} ${target} ${isOdd ? random.pick(VERSIONS) : 'HTTP/1.1'}\r\n`;
  if (!isOdd || random.chance(0.9)) text += `Host: ${isOdd ? random.pick(HOSTS) : 'shop'}\r\n`;
  text += fields(random);
  while (random.chance(0.15)) text += `${random.pick(HOP)}\r\n`;
  return text + framed(random, isOdd);
}

function fields(random: Random): string {
  let text = '';
  for (let count = random.below(5); count > 0; count--) {
    const isOdd = random.chance(0.05);
    const name = isOdd ? random.pick(NAMES) : random.pick(['X-A', 'Accept', 'Cookie', 'user-agent', 'X_B']);
    text += `${name}:${random.pick(['', ' ', ' ', '  ', '\t'])}${isOdd ? random.pick(VALUES) : random.pick(['x', '', 'a b', 'caf\xe9'])}\r\n`;
  }
  return text;
}

function framed(random: Random, isOdd: boolean): string {
  const content = 'c'.repeat(random.below(random.chance(0.1) ? 3_000 : 40));
  const kind = random.below(isOdd ? 4 : 3);
  if (kind === 0) return '\r\n';
  const length = `Content-Length: ${(isOdd ? random.pick(LENGTH_SPELLINGS) : String)(content.length)}\r\n`;
  if (kind === 1) return `${length}\r\n${content}`;
  const coding = `Transfer-Encoding: ${isOdd ? random.pick(CODINGS) : 'chunked'}\r\n`;
  const chunks = chunked(content, random, isOdd);
  return kind === 2 ? `${coding}\r\n${chunks}` : `${coding}${length}\r\n${chunks}`;
}

function chunked(content: string, random: Random, isOdd: boolean): string {
  let text = '';
  for (let at = 0; at < content.length;) {
    const size = 1 + random.below(Math.min(content.length - at, 1_000));
    const spelt = random.chance(0.1) ? `00${size.toString(16).toUpperCase()}` : size.toString(16);
    text += `${spelt}${isOdd ? random.pick(EXTENSIONS) : random.pick(['', '', ';a=b'])}\r\n${content.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${text}0\r\n${isOdd ? random.pick(TRAILERS) : random.pick(['', '', 'X-T: 1\r\n'])}\r\n`;
}

/** A few bytes changed, inserted, taken out, doubled or moved. */
export function mutate(text: string, random: Random): string {
  let mutated = text;
  for (let count = 1 + random.below(3); count > 0 && mutated.length > 0; count--) {
    const at = random.below(mutated.length);
    const length = random.below(random.chance(0.2) ? 40 : 3);
    const before = mutated.slice(0, at);
    const piece = mutated.slice(at, at + length);
    const after = mutated.slice(at + length);
    switch (random.below(6)) {
      case 0:
        mutated = before + after;
        break;
      case 1:
        mutated = before + piece + piece + after;
        break;
      case 2:
        mutated = before + random.pick(SEPARATORS) + piece + after;
        break;
      case 3:
        mutated = before + random.pick(SEPARATORS) + after;
        break;
      case 4:
        mutated = before + String.fromCharCode(random.below(256)) + mutated.slice(at + 1);
        break;
      default:
        mutated = before + (random.chance(0.5) ? piece.toUpperCase() : piece.toLowerCase()) + after;
    }
  }
  return mutated;
}

/** Offsets at which to split `length` bytes: none, a few, or every one. */
export function cuts(length: number, random: Random): number[] {
  const style = random.below(8);
  if (style === 0) return [];
  if (style === 1 && length < 400) return Array.from({ length }, (_, index) => index);
  return Array.from({ length: 1 + random.below(4) }, () => random.below(length + 1));
}
