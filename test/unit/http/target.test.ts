// Authorities and paths: one spelling for what all servers read alike, a refusal for the rest.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { STRICT_PATHS, type PathLooseness } from '../../../src/http/limits.ts';
import { normalAuthority, normalPath, parseTarget } from '../../../src/http/target.ts';

describe('normalAuthority', () => {
  it.each([
    ['orders', 'orders'],
    ['Orders.Shop:8080', 'orders.shop:8080'],
    ['a_b-c.d', 'a_b-c.d'],
    ['example.test.', 'example.test.'],
    ['127.0.0.1:1', '127.0.0.1:1'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::1]:65535', '[2001:db8::1]:65535'],
  ])('%s is %s', (text, normal) => expect(normalAuthority(text)).toBe(normal));

  it.each([
    '',
    ':80',
    'a:',
    'a:0',
    'a:65536',
    'a:1x',
    'a b',
    'a,b',
    'a@b',
    'a/b',
    'a%20b',
    '::1',
    '[::1',
    '[a]',
    '[::1%eth0]',
    'a..b',
    '.a',
  ])('%j is none', (text) => expect(normalAuthority(text)).toBeUndefined());
});

describe('normalPath', () => {
  it.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/', '/a/'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/b/.', '/a/b/'],
    ['/../../a', '/a'],
    ['//a///b', '/a/b'],
    ['/a//../b', '/b'],
    ['/%61%2E%7e', '/a.~'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/%2E/b', '/a/b'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/%09%0a%20', '/%09%0A%20'],
    ['/a;x=1/b', '/a;x=1/b'],
    ['/a.;x', '/a.;x'],
    ['/.hidden', '/.hidden'],
    ['/...', '/...'],
    ['/%252f', '/%252f'],
    ["/!$&'()*+,=:@|{}", "/!$&'()*+,=:@|{}"],
  ])('%s is %s', (path, normal) => expect(normalPath(path, STRICT_PATHS)).toBe(normal));

  it.each([
    ['/a%2Fb', 'encodedSlash', '/a%2Fb'],
    ['/a\\b', 'backslash', '/a\\b'],
    ['/a%5cb', 'backslash', '/a%5Cb'],
    ['/a%00', 'encodedNul', '/a%00'],
    ['/%c0%af', 'invalidUtf8', '/%C0%AF'],
    ['/a/..;x/b', 'dotParameters', '/a/..;x/b'],
  ] as const)('%s is refused, unless %s keeps it', (path, loose, kept) => {
    expect(() => normalPath(path, STRICT_PATHS)).toThrow(ProxyError);
    expect(normalPath(path, { ...STRICT_PATHS, [loose]: true } satisfies PathLooseness)).toBe(kept);
  });

  it('is its own normal form, whatever came in', () => {
    const pieces = fc.constantFrom('/', '.', '..', '%2e', '%41', 'a', ';', '%c3%a9', '//', '%20', '%25', '-');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        let once: string;
        try {
          once = normalPath(`/${parts.join('')}`, STRICT_PATHS);
        } catch (error) {
          expect(error).toBeInstanceOf(ProxyError);
          return;
        }
        expect(normalPath(once, STRICT_PATHS)).toBe(once);
        expect(once).not.toMatch(/\/\/|\/\.\.?(\/|$)/);
      }),
    );
  });
});

describe('parseTarget', () => {
  it.each([
    ['GET', '/a?b=%2f?c', { scheme: undefined, authority: undefined, path: '/a', query: '?b=%2f?c' }],
    ['GET', 'http://Shop:80', { scheme: 'http', authority: 'shop:80', path: '/', query: '' }],
    ['GET', 'HTTPS://shop?x', { scheme: 'https', authority: 'shop', path: '/', query: '?x' }],
    ['GET', 'http://shop//a', { scheme: 'http', authority: 'shop', path: '/a', query: '' }],
    ['OPTIONS', '*', { scheme: undefined, authority: undefined, path: '*', query: '' }],
    ['OPTIONS', 'http://shop', { scheme: 'http', authority: 'shop', path: '*', query: '' }],
    ['OPTIONS', 'http://shop/', { scheme: 'http', authority: 'shop', path: '/', query: '' }],
    ['GET', '/?', { scheme: undefined, authority: undefined, path: '/', query: '?' }],
  ])('%s %s', (method, target, parts) => expect(parseTarget(method, target, STRICT_PATHS)).toEqual(parts));

  it.each([
    ['GET', '*'],
    ['GET', 'a'],
    ['GET', '/a#b'],
    ['GET', '/a b'],
    ['GET', 'ftp://a/'],
    ['GET', 'http:///a'],
    ['GET', 'http://a@b/'],
    ['GET', ''],
  ])('%s %j is refused', (method, target) =>
    expect(() => parseTarget(method, target, STRICT_PATHS)).toThrow(ProxyError),
  );
});
