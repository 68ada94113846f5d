import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Names } from '../../../../adapters/nacos/names.ts';
import { nacosSettings, sourceOf } from '../../../../adapters/nacos/options.ts';
import { readingFrom, toNacosInstance } from '../../../../adapters/nacos/record.ts';
import { decodePayload, encodePayload } from '../../../../adapters/nacos/wire.ts';
import type { RegistryError } from '../../../../src/registry/types.ts';
import { serviceKey, type ServiceInstance } from '../../../../src/registry/types.ts';

const KEY = serviceKey('orders');
const kind = (kind: string): Error => expect.objectContaining({ kind }) as Error;
const own: ServiceInstance = {
  key: KEY,
  id: 'a',
  host: 'a.example',
  port: 1,
  protocol: 'h2c',
  weight: 33.3,
  zone: 'z',
  tags: ['t'],
  metadata: { 'nacos.cluster': 'DEFAULT', k: '值' },
  health: 'warning',
  enabled: true,
  owner: 'o',
  leaving: true,
};
const read = (...hosts: unknown[]): ReturnType<typeof readingFrom> => readingFrom(KEY, { hosts }, 'e');

describe('a message', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.string(), fc.string()),
        (type, body, headers) => {
          expect(decodePayload(encodePayload({ type, body, headers }))).toEqual({ type, body });
        },
      ),
    );
  });

  test('of 300 kB has its length in three bytes', () => {
    const body = 'x'.repeat(300_000);
    expect(decodePayload(encodePayload({ type: 'T', body }))).toEqual({ type: 'T', body });
  });

  test('that is none is a protocol error, never another', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          decodePayload(Buffer.from(bytes));
        } catch (error) {
          expect((error as RegistryError).kind).toBe('protocol');
        }
      }),
    );
    expect(() => decodePayload(Buffer.from([0x12, 0x7f]))).toThrow(kind('protocol'));
  });
});

describe('a record of ours', () => {
  test('comes back equal', () => {
    const there = toNacosInstance(own, 512);
    expect(there).toMatchObject({
      ip: 'a.example',
      weight: expect.closeTo(0.333, 6) as number,
      healthy: true,
      clusterName: 'DEFAULT',
    });
    expect(read(there)).toMatchObject({ instances: [own], rejected: [] });
    const plain: ServiceInstance = { ...own, metadata: {}, health: 'critical', enabled: false, weight: 7 };
    expect(toNacosInstance(plain, 512)).toMatchObject({ weight: 0, healthy: false, enabled: true });
    expect(read(toNacosInstance(plain, 512)).instances).toEqual([plain]);
  });

  test('keeps what an operator has set in Nacos', () => {
    const there = { ...toNacosInstance(own, 512), weight: 0, healthy: false };
    expect(read(there).instances[0]).toMatchObject({ weight: 0, health: 'critical' });
  });

  test('is refused where Nacos cannot hold it', () => {
    const refused: ServiceInstance[] = [
      { ...own, metadata: { 'nacos.cluster': 'a b' } },
      { ...own, metadata: { pilotfish: 'x' } },
      { ...own, tags: Array.from({ length: 100 }, (_, n) => `tag-${n}`) },
    ];
    for (const one of refused) expect(() => toNacosInstance(one, 512)).toThrow(kind('invalid'));
  });
});

describe('a record of others', () => {
  test('of Spring Cloud and the SDKs is understood', () => {
    const { instances, rejected } = read(
      {
        instanceId: '10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@orders',
        ip: '10.0.0.1',
        port: 8080,
        weight: 1.0,
        healthy: true,
        enabled: true,
        ephemeral: true,
        clusterName: 'DEFAULT',
        serviceName: 'DEFAULT_GROUP@@orders',
        metadata: { 'preserved.register.source': 'SPRING_CLOUD', secure: 'true', zone: 'eu' },
      },
      { ip: '10.0.0.2', port: 1, weight: 50, healthy: false, clusterName: 'hz', metadata: { protocol: 'dubbo' } },
      { ip: '10.0.0.3', port: 1 },
    );
    expect(rejected).toEqual([]);
    expect(instances).toMatchObject([
      { id: '10.0.0.1:8080', protocol: 'https', weight: 100, zone: 'eu', health: 'passing' },
      { id: '10.0.0.2:1:hz', protocol: 'tcp', weight: 1_000, health: 'critical', metadata: { 'nacos.cluster': 'hz' } },
      { id: '10.0.0.3:1', protocol: 'http', weight: 100, health: 'passing', metadata: {} },
    ]);
  });

  test.each([
    null,
    'x',
    {},
    { ip: '', port: 1 },
    { ip: '10.0.0.1', port: 0 },
    { ip: '10.0.0.1', port: '80' },
    { ip: '169.254.169.254', port: 80 },
    { ip: '10.0.0.1', port: 1, weight: -1 },
    { ip: '10.0.0.1', port: 1, weight: 'NaN' },
    { ip: '10.0.0.1', port: 1, metadata: [] },
    { ip: '10.0.0.1', port: 1, metadata: { pilotfish: '[]' } },
    { ip: '10.0.0.1', port: 1, metadata: { pilotfish: '{"v":1,"id":7}' } },
  ])('is rejected and told where it is broken: %j', (host) => {
    const { instances, rejected } = read(host, { ip: '10.9.9.9', port: 9 });
    expect(instances).toHaveLength(1);
    expect(rejected).toHaveLength(1);
    expect(rejected[0]?.reason).not.toBe('');
  });

  test('with an id twice is always read in the same order', () => {
    const [a, b] = [toNacosInstance(own, 512), toNacosInstance({ ...own, owner: 'n', port: 2 }, 512)];
    expect(read(a, b).instances).toEqual(read(b, a).instances);
  });
});

describe('names', () => {
  const names = new Names('', 'G');

  test('go both ways; the empty namespace is public', () => {
    expect(names.toNacos(KEY)).toEqual({ namespaceId: 'public', groupName: 'G', serviceName: 'orders' });
    for (const key of [KEY, serviceKey('s', 'team', 'other')]) expect(names.toKey(names.toNacos(key))).toEqual(key);
  });

  test.each([['a@@b'], ['@a'], ['a b'], ['订单'], ['s', 'a b'], ['s', 'n', 'g@@h']])(
    '%j cannot be spelled',
    (...key) => {
      expect(() => names.toNacos(serviceKey(...(key as [string, string, string])))).toThrow(kind('invalid'));
    },
  );
});

describe('options', () => {
  test('have defaults, and variables of Nacos where nothing is said', () => {
    expect(nacosSettings({}, {})).toMatchObject({
      endpoints: [{ host: '127.0.0.1', port: 8848 }],
      namespace: 'public',
      group: 'DEFAULT_GROUP',
      driver: 'grpc',
      tls: undefined,
    });
    const env = { NACOS_ADDR: 'h1:1,h2', NACOS_USERNAME: 'u', NACOS_PASSWORD: 'p', NACOS_NAMESPACE: 'n' };
    const settings = nacosSettings({ namespace: 'mine' }, env);
    expect(settings).toMatchObject({ endpoints: [{ port: 1 }, { host: 'h2', port: 8848 }], username: 'u' });
    expect(sourceOf(settings)).toBe('nacos:h1:1,h2:8848/mine?group=DEFAULT_GROUP');
    expect(nacosSettings({ endpoints: ['https://h:2'] }, env)).toMatchObject({ endpoints: [{ host: 'h' }], tls: {} });
  });

  test.each([
    { endpoints: ['http://user:s3cret@h'] },
    { endpoints: 's3cret' },
    { endpoints: ['h:0'] },
    { driver: 's3cret' },
    { contextPath: 's3cret' },
    { tls: { cert: 's3cret' } },
    { s3cret: 1 },
    { password: 1 },
    { maxMetadataBytes: -1 },
  ])('%j is invalid, and its value is not repeated', (options) => {
    expect(() => nacosSettings(options, {})).toThrow(kind('invalid'));
    if (!('s3cret' in options)) expect(() => nacosSettings(options, {})).not.toThrow(/s3cret/);
  });
});
