import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reachesOwn } from '../../../src/registry/address.ts';
import { assertValid, decodeRecord, encodeRecord, instanceFrom, sameInstance } from '../../../src/registry/record.ts';
import { hostClass } from '../../../src/util/host-class.ts';
import { instance, KEY } from './fake-driver.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((value) => !/\p{Cc}/u.test(value));

describe('a record', () => {
  test('comes back as it was written', () => {
    const any = fc.record({
      port: fc.integer({ min: 1, max: 65_535 }),
      weight: fc.integer({ min: 0, max: 1_000 }),
      protocol: fc.constantFrom('http', 'https', 'h2c', 'tcp'),
      health: fc.constantFrom('passing', 'warning', 'critical', 'unknown'),
      enabled: fc.boolean(),
      zone: text,
      owner: text,
      tags: fc.array(text, { maxLength: 5 }),
      metadata: fc.dictionary(text, fc.string({ unit: 'grapheme' }), { maxKeys: 5 }),
    });
    fc.assert(
      fc.property(any, (change) => {
        const own = instance('a', change);
        const decoded = decodeRecord(KEY, 'a', encodeRecord(own, { ttlMs: 1 }));
        expect('instance' in decoded && decoded.instance).toEqual(own);
        expect('instance' in decoded && sameInstance(decoded.instance, own)).toBe(true);
      }),
    );
  });

  test('of arbitrary JSON is an instance that obeys every rule, or a reason; never an exception', () => {
    const field = fc.constantFrom(
      'v',
      'host',
      'port',
      'tags',
      'metadata',
      'weight',
      'zone',
      'owner',
      'health',
      '__proto__',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.dictionary(field, fc.jsonValue()).map((o) => JSON.stringify({ v: 1, ...o })),
        ),
        (json) => {
          const decoded = decodeRecord(KEY, 'a', json);
          if ('instance' in decoded) assertValid(decoded.instance);
          else expect(decoded.reason).not.toBe('');
        },
      ),
      { numRuns: 500 },
    );
  });

  test('cut anywhere is rejected', () => {
    const whole = encodeRecord(instance('a', { metadata: { a: '{"v":1}' } }));
    for (let end = 0; end < whole.length; end++) {
      expect(decodeRecord(KEY, 'a', whole.slice(0, end))).toHaveProperty('reason');
    }
  });

  test('with little in it gets defaults', () => {
    const decoded = decodeRecord(KEY, 'a', '{"v":1,"host":"10.0.0.1","port":1,"unknown":[]}');
    const { health } = instance('a');
    expect(decoded).toMatchObject({ instance: { ...instance('a'), port: 1, health: 'unknown' } });
    expect(health).toBe('passing');
  });

  test.each([
    ['port 0', { port: 0 }],
    ['a port with a fraction', { port: 1.5 }],
    ['a negative weight', { weight: -1 }],
    ['a weight above 1000', { weight: 1_001 }],
    ['no host', { host: '' }],
    ['a host with a space', { host: 'a b' }],
    ['a host with a port', { host: '10.0.0.1:80' }],
    ['a link-local host', { host: '169.254.169.254' }],
    ['too many tags', { tags: Array.from({ length: 129 }, () => 'x') }],
    ['a tag with a line break', { tags: ['a\nb'] }],
    ['too much metadata', { metadata: { a: 'x'.repeat(16_384) } }],
    [
      'too many metadata entries',
      { metadata: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`k${i}`, ''])) },
    ],
    ['a lone surrogate', { zone: '\ud800' }],
    ['an empty id', { id: '' }],
  ])("with %s is refused, as ours and as somebody else's", (_what, change) => {
    const wrong = instance('a', change);
    expect(() => assertValid(wrong)).toThrow(expect.objectContaining({ kind: 'invalid' }) as Error);
    expect(instanceFrom(KEY, wrong.id, JSON.parse(encodeRecord(wrong)) as Record<string, unknown>)).toHaveProperty(
      'reason',
    );
  });
});

describe('a host', () => {
  test.each([
    ['10.0.0.1', 'ordinary'],
    ['2001:db8::1', 'ordinary'],
    ['::ffff:10.0.0.1', 'ordinary'],
    ['orders.internal', 'ordinary'],
    ['my_container-1', 'ordinary'],
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['localhost', 'loopback'],
    ['A.LocalHost.', 'loopback'],
    ['0.0.0.0', 'refused'],
    ['0.1.2.3', 'refused'],
    ['::', 'refused'],
    ['::7f00:1', 'refused'],
    ['::ffff:0.0.0.0', 'refused'],
    ['::ffff:169.254.1.1', 'refused'],
    ['169.254.169.254', 'refused'],
    ['fe80::1', 'refused'],
    ['fe80::1%eth0', 'refused'],
    ['224.0.0.1', 'refused'],
    ['255.255.255.255', 'refused'],
    ['ff02::1', 'refused'],
    ['127.1', 'refused'],
    ['2130706433', 'refused'],
    ['0x7f000001', 'refused'],
    ['a.0x7f', 'refused'],
    ['[::1]', 'refused'],
    ['a..b', 'refused'],
    ['-a', 'refused'],
    ['a/b', 'refused'],
    ['user@host', 'refused'],
    ['a\r\nb', 'refused'],
  ])('%s is %s', (host, expected) => {
    expect(hostClass(host)).toBe(expected);
  });

  test('classifies IPv4 addresses as the same ones written as IPv6', () => {
    const octet = fc.oneof(fc.nat(255), fc.constantFrom(0, 127, 169, 224, 239, 240, 254, 255));
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
        const host = octets.join('.');
        expect(hostClass(host)).toBe(hostClass(`::ffff:${host}`));
      }),
    );
  });

  test('reaches our own listener by any spelling, loopback or interface address', () => {
    const admin = [{ host: '127.0.0.1', port: 15_000 }];
    expect(reachesOwn('127.0.0.1', 15_000, admin)).toBe(true);
    expect(reachesOwn('::ffff:127.0.0.1', 15_000, admin)).toBe(true);
    expect(reachesOwn('::1', 15_000, admin)).toBe(true);
    expect(reachesOwn('127.0.0.1', 15_001, admin)).toBe(false);
    expect(reachesOwn('10.1.2.3', 15_000, admin)).toBe(false);
    expect(reachesOwn('127.0.0.1', 1, [{ host: '0.0.0.0', port: 1 }])).toBe(true);
    expect(reachesOwn('localhost', 1, [{ host: '::', port: 1 }])).toBe(true);
    expect(reachesOwn('192.0.2.1', 1, [{ host: '::', port: 1 }])).toBe(false);
  });
});
