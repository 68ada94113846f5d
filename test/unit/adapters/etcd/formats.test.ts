import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grpcFormat } from '../../../../adapters/etcd/format-grpc.ts';
import { kratosFormat } from '../../../../adapters/etcd/format-kratos.ts';
import { pilotfishFormat } from '../../../../adapters/etcd/format-pilotfish.ts';
import type { RecordFormat } from '../../../../adapters/etcd/format.ts';
import { serviceKey, type ServiceInstance } from '../../../../src/registry/types.ts';

const invalid = expect.objectContaining({ kind: 'invalid' }) as Error;
const FULL: ServiceInstance = {
  key: serviceKey('orders'),
  id: 'orders-1',
  host: '10.0.0.1',
  port: 8080,
  protocol: 'h2c',
  weight: 50,
  zone: 'eu-1a',
  tags: ['v2'],
  metadata: { version: '2.1.0', 键: '值' },
  health: 'warning',
  enabled: false,
  owner: 'me',
  leaving: true,
};

function roundTrip(format: RecordFormat, instance: ServiceInstance): unknown {
  const parsed = format.parse(format.recordKey(instance));
  return parsed === undefined ? 'no key of ours' : format.decode(parsed, format.encode(instance));
}

function read(format: RecordFormat, recordKey: string, value: unknown): unknown {
  const parsed = format.parse(recordKey);
  if (parsed === undefined) return 'no key of ours';
  const decoded = format.decode(parsed, typeof value === 'string' ? value : JSON.stringify(value));
  return 'instance' in decoded ? decoded.instance : decoded.reason;
}

describe.each([
  ['pilotfish', pilotfishFormat('/pilotfish')],
  ['grpc', grpcFormat('')],
  ['kratos', kratosFormat('/microservices')],
])('the format %s', (_name, format) => {
  test('gives back every field that it was given', () => {
    expect(roundTrip(format, FULL)).toMatchObject({ instance: FULL });
    const v6: ServiceInstance = { ...FULL, host: '2001:db8::1', protocol: 'https' };
    expect(roundTrip(format, v6)).toMatchObject({ instance: v6 });
  });

  test('has the keys of a service below its prefix, and those of a service with a longer name not', () => {
    const prefix = format.servicePrefix(FULL.key);
    expect(format.recordKey(FULL).startsWith(prefix)).toBe(true);
    expect(format.recordKey({ ...FULL, key: serviceKey('orders-2') }).startsWith(prefix)).toBe(false);
    expect(prefix.startsWith(format.listPrefix({}))).toBe(true);
    expect(prefix.startsWith(format.listPrefix({ service: 'orders' }))).toBe(true);
  });

  test('rejects any value that is no record, without throwing', () => {
    const parsed = format.parse(format.recordKey(FULL));
    if (parsed === undefined) throw new Error('a key of ours');
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.constant('['.repeat(70_000))), (value) => {
        expect(format.decode(parsed, value)).toHaveProperty('reason');
      }),
    );
  });

  test('takes any key for ours or not, without throwing', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => void format.parse(text)));
  });
});

describe('our own keys', () => {
  const format = pilotfishFormat('/pilotfish');

  test('are segments, percent-encoded', () => {
    const key = serviceKey('a/b', 'n s', '组');
    expect(format.recordKey({ ...FULL, key, id: 'x/%' })).toBe('/pilotfish/n%20s/%E7%BB%84/a%2Fb/x%2F%25');
  });

  test('spell any names', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(name, name, name, name, (namespace, group, service, id) => {
        const key = { namespace, group, service };
        expect(format.parse(format.recordKey({ ...FULL, key, id }))).toEqual({ key, name: id });
      }),
    );
  });

  test.each([
    '/pilotfish/a/b/c',
    '/pilotfish/a/b/c/d/e',
    '/pilotfish/a/b//d',
    '/pilotfish/a/b/c/%zz',
    '/other/a/b/c/d',
  ])('%j is none', (key) => expect(format.parse(key)).toBeUndefined());

  test('are listed as narrowly as they can be', () => {
    expect(format.listPrefix({ namespace: 'a', service: 'c' })).toBe('/pilotfish/a/');
    expect(format.listPrefix({ namespace: 'a', group: 'b', service: 'c' })).toBe('/pilotfish/a/b/c/');
  });
});

describe('records of etcd’s naming client', () => {
  const format = grpcFormat('');

  test('are gRPC servers', () => {
    const value = '{"Op":0,"Addr":"10.0.0.7:9000","Metadata":{"version":"1","weight":3,"deep":{"a":1}}}';
    expect(read(format, 'shop/orders/10.0.0.7:9000', value)).toMatchObject({
      key: serviceKey('shop/orders'),
      id: '10.0.0.7:9000',
      host: '10.0.0.7',
      port: 9000,
      protocol: 'h2c',
      weight: 100,
      health: 'passing',
      metadata: { version: '1', weight: '3' },
    });
    expect(read(format, 'orders/a', '{"Op":0,"Addr":"[::1]:1","Metadata":null}')).toMatchObject({
      host: '::1',
      id: 'a',
    });
  });

  test.each([
    ['{"Op":1,"Addr":"h:1"}', 'not an added endpoint'],
    ['{"Op":0,"Addr":"dns:///h"}', 'Addr is not host:port'],
    ['{"Op":0,"Addr":"h:0"}', 'port is not 1..65535'],
    ['{"Op":0,"Addr":"169.254.169.254:80"}', 'host is not one that a service can have'],
  ])('%s is rejected: %s', (value, reason) => expect(read(format, 'orders/a', value)).toBe(reason));

  test('ours can be read by that client', () => {
    const value: unknown = JSON.parse(format.encode(FULL));
    expect(format.recordKey(FULL)).toBe('orders/10.0.0.1:8080');
    expect(value).toMatchObject({ Op: 0, Addr: '10.0.0.1:8080', Metadata: { version: '2.1.0' } });
  });

  test('have no namespaces', () => {
    expect(() => format.servicePrefix(serviceKey('orders', 'n'))).toThrow(invalid);
  });
});

describe('records of go-kratos', () => {
  const format = kratosFormat('/microservices');
  const record = { id: 'a', name: 'orders', version: 'v1', metadata: { zone: 'x' } };

  test('are taken by their HTTP endpoint, else by gRPC', () => {
    const both = {
      ...record,
      endpoints: ['grpc://10.0.0.7:9000?isSecure=false', 'http://10.0.0.7:8000?isSecure=false'],
    };
    expect(read(format, '/microservices/orders/a', both)).toMatchObject({
      id: 'a',
      host: '10.0.0.7',
      port: 8000,
      protocol: 'http',
      metadata: { version: 'v1', zone: 'x' },
    });
    const grpc = { ...record, endpoints: ['grpc://10.0.0.7:9000'] };
    expect(read(format, '/microservices/orders/a', grpc)).toMatchObject({ port: 9000, protocol: 'h2c' });
    const secure = { ...record, endpoints: ['http://10.0.0.7:8443/?isSecure=true'] };
    expect(read(format, '/microservices/orders/a', secure)).toMatchObject({ port: 8443, protocol: 'https' });
  });

  test('without an endpoint that we could call are rejected', () => {
    const why = 'no endpoint of http, https, grpc or grpcs';
    expect(read(format, '/microservices/orders/a', record)).toBe(why);
    expect(read(format, '/microservices/orders/a', { ...record, endpoints: ['ftp://h:1', 7] })).toBe(why);
  });

  test('ours can be read by kratos', () => {
    expect(JSON.parse(format.encode(FULL))).toMatchObject({
      id: 'orders-1',
      name: 'orders',
      version: '2.1.0',
      endpoints: ['grpc://10.0.0.1:8080?isSecure=false'],
    });
    expect(() => format.recordKey({ ...FULL, id: 'a/b' })).toThrow(invalid);
  });
});
