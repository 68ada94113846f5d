import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEntry, encodeRegistration } from '../../../../adapters/consul/codec.ts';
import { decodeMeta, encodeMeta, MAX_META_BYTES } from '../../../../adapters/consul/meta.ts';
import { checkId, consulId, consulName, keyOfName, ListIds } from '../../../../adapters/consul/names.ts';
import { serviceKey, type ServiceInstance } from '../../../../src/registry/types.ts';

const KEY = serviceKey('orders');
const OURS: ServiceInstance = {
  key: KEY,
  id: 'a',
  host: '10.0.0.1',
  port: 80,
  protocol: 'h2c',
  weight: 100,
  zone: 'z',
  tags: ['k=v', 'x'],
  metadata: { version: '1' },
  health: 'passing',
  enabled: true,
  owner: 'me',
};

/** What Consul lists of a registration, with these checks. */
function listed(instance: ServiceInstance, checks: readonly object[] = []): object {
  const { Name, ...service } = encodeRegistration(instance, 10_000);
  return { Node: { Node: 'n1', Address: '10.9.9.9' }, Service: { ...service, Service: Name }, Checks: checks };
}

function foreign(service: object, checks: readonly object[] = []): object {
  const Service = { ID: 'web-1', Service: 'orders', Address: '10.0.0.1', Port: 80, ...service };
  return { Node: { Node: 'n1', Address: '10.9.9.9' }, Service, Checks: checks };
}

describe('metadata', () => {
  const anyText = fc.string({ unit: 'grapheme', maxLength: 700 });
  const anyMetadata = fc
    .dictionary(fc.oneof(fc.constantFrom('version', '__proto__', 'consul-x', 'pilotfish-id'), anyText), anyText, {
      maxKeys: 200,
    })
    .filter((metadata) => {
      const bytes = Object.entries(metadata).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
      return bytes <= MAX_META_BYTES && !Object.hasOwn(metadata, '');
    });

  test('of every kind comes back as it was, within the limits of Consul', () => {
    fc.assert(
      fc.property(anyMetadata, (metadata) => {
        const meta = encodeMeta(metadata, { id: 'a' });
        expect(Object.keys(meta).length).toBeLessThanOrEqual(64);
        for (const [key, value] of Object.entries(meta)) {
          expect(key).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
          expect(Buffer.byteLength(value)).toBeLessThanOrEqual(512);
        }
        expect(decodeMeta(meta)).toEqual({ metadata, own: { id: 'a' } });
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  test('that takes the most room still fits: bytes that JSON spells with six, in as many entries as may be', () => {
    const few = { a: '\u0001'.repeat(MAX_META_BYTES - 1) };
    const many = Object.fromEntries(
      Array.from({ length: 256 }, (_, n) => [`k${n}`.padEnd(5, 'é'), '\u0001'.repeat(7)]),
    );
    for (const metadata of [few, many]) {
      const meta = encodeMeta(metadata, {});
      expect(Object.keys(meta).length).toBeLessThanOrEqual(54);
      expect(decodeMeta(meta)?.metadata).toEqual(metadata);
    }
  });

  test('stands in Meta as it is where Consul can hold it', () => {
    expect(encodeMeta({ version: '1', ключ: 'x' }, {})).toEqual({ version: '1', 'pilotfish-more-0': '[["ключ","x"]]' });
  });
});

describe('a record of ours', () => {
  test.each<Partial<ServiceInstance>>([
    {},
    { weight: 0 },
    { weight: 0.5 },
    { weight: 1_000 },
    { enabled: false },
    { leaving: true },
    { health: 'unknown' },
    { id: 'orders-10.0.0.1-80' },
    { id: 'ид/../%2F' },
  ])('with %j comes back equal', (change) => {
    const instance = { ...OURS, ...change };
    expect(decodeEntry(KEY, listed(instance))).toMatchObject({ id: instance.id, node: 'n1', instance });
  });

  test('has the worst status of its checks; maintenance takes it out without making it ill', () => {
    const health = (...checks: object[]): unknown => {
      const decoded = decodeEntry(KEY, listed(OURS, checks));
      return 'instance' in decoded ? [decoded.instance.health, decoded.instance.enabled] : decoded.reason;
    };
    const [passing, warning, critical] = ['passing', 'warning', 'critical'].map((Status) => ({ CheckID: 'x', Status }));
    expect(health(passing!, warning!)).toEqual(['warning', true]);
    expect(health(warning!, critical!, passing!)).toEqual(['critical', true]);
    expect(health(passing!, { CheckID: '_node_maintenance', Status: 'critical' })).toEqual(['passing', false]);
    expect(health({ CheckID: '_service_maintenance:a', Status: 'critical' })).toEqual(['passing', false]);
  });
});

describe('a record of others', () => {
  const read = (service: object, checks: readonly object[] = []): unknown => {
    const decoded = decodeEntry(KEY, foreign(service, checks));
    return 'instance' in decoded ? decoded.instance : decoded.reason;
  };

  test('gets defaults for all that is missing (curl)', () => {
    expect(read({ Address: '', Tags: null, Meta: null })).toEqual({
      key: KEY,
      id: 'web-1',
      host: '10.9.9.9',
      port: 80,
      protocol: 'http',
      weight: 100,
      tags: [],
      metadata: {},
      health: 'passing',
      enabled: true,
    });
  });

  test('tells metadata by its tags, zone and scheme by its metadata (Spring Cloud)', () => {
    expect(read({ Tags: ['secure=true', 'zone=eu-1a', 'plain'], Meta: { version: '2' } })).toMatchObject({
      protocol: 'https',
      zone: 'eu-1a',
      tags: ['secure=true', 'zone=eu-1a', 'plain'],
      metadata: { secure: 'true', zone: 'eu-1a', version: '2' },
    });
  });

  test('has the weight that it says, and an ordinary one where it says nothing', () => {
    expect(read({ Weights: { Passing: 1, Warning: 1 } })).toMatchObject({ weight: 100 });
    expect(read({ Weights: { Passing: 50, Warning: 1 } })).toMatchObject({ weight: 50 });
    expect(read({ Weights: { Passing: 65_535, Warning: 1 } })).toMatchObject({ weight: 1_000 });
  });

  test.each([[{ Port: 0 }], [{ Address: '169.254.169.254' }], [{ Address: 'a b' }], [{ Tags: [7] }], [{ Port: '80' }]])(
    'with %j is rejected with a reason',
    (service) => {
      expect(read(service)).toEqual(expect.any(String));
    },
  );

  test.each([null, 7, [], {}, { Service: [] }])('that is %j is rejected, not thrown', (entry) => {
    expect(decodeEntry(KEY, entry)).toMatchObject({ reason: expect.any(String) as string });
  });
});

describe('names', () => {
  test('have their group in front where it is not the default, and come back', () => {
    for (const key of [KEY, serviceKey('orders', 'default', 'blue')]) {
      expect(keyOfName(consulName(key), 'default')).toEqual(key);
    }
    expect(keyOfName('~x', 'default')).toEqual(serviceKey('~x'));
  });

  test.each(['a//b', '..', 'a/../b', '/a'])('%j is refused: Consul would redirect its URL', (service) => {
    expect(() => consulName(serviceKey(service))).toThrow(expect.objectContaining({ kind: 'invalid' }) as Error);
  });

  test('ids stay as they are where they begin with the service; others cannot meet across services', () => {
    expect(consulId(KEY, 'orders-h-80')).toBe('orders-h-80');
    expect(consulId(KEY, 'a')).toBe('orders:a');
    expect(consulId(serviceKey('a:b'), 'c')).not.toBe(consulId(serviceKey('a'), 'b:c'));
    expect(checkId('x', '01234567-89')).toBe('service:x:01234567');
  });

  test('one id on several nodes: the first seen keeps it for as long as it is there', () => {
    const ids = new ListIds();
    const on = (...nodes: string[]): string[] => ids.assign(nodes.map((node) => ({ id: 'a', node })));
    expect(on('n2')).toEqual(['a']);
    expect(on('n1', 'n2')).toEqual(['a@n1', 'a']);
    expect(on('n1', 'n3')).toEqual(['a', 'a@n3']);
  });
});
