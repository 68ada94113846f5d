import { describe, expect, test } from 'vitest';
import { openRegistry } from '../../../adapters/index.ts';
import { parseRegistryLocator } from '../../../src/registry/locator.ts';
import { serviceKey } from '../../../src/registry/types.ts';

const kind = (kind: string): Error => expect.objectContaining({ kind }) as Error;

describe('PILOTFISH_REGISTRY', () => {
  test('is a name or a URL', () => {
    expect(parseRegistryLocator('file')).toEqual({ type: 'file', options: {} });
    expect(parseRegistryLocator('static')).toEqual({ type: 'static', options: {} });
    expect(parseRegistryLocator('file:///run/pilot%20fish')).toEqual({
      type: 'file',
      options: { directory: '/run/pilot fish' },
    });
  });

  test('of etcd names the servers and what keys begin with', () => {
    const endpoints = ['https://h1:2379', 'https://[::1]'];
    expect(parseRegistryLocator('etcds://h1:2379,[::1]/a%20b/')).toEqual({
      type: 'etcd',
      options: { endpoints, prefix: '/a b' },
    });
    const options = { endpoints: ['http://h'], format: 'kratos' };
    expect(parseRegistryLocator('etcd://h?format=kratos')).toEqual({ type: 'etcd', options });
    expect(parseRegistryLocator('etcd')).toEqual({ type: 'etcd', options: {} });
    expect(() => parseRegistryLocator('etcd://user:s3cret@h:2379')).not.toThrow(/s3cret/);
  });

  test.each([
    'etcd://',
    'etcd:///prefix',
    'etcd://h,',
    'etcd://user:s3cret@h:2379',
    'etcd://h/p?password=s3cret',
    'etcd://h/%zz',
    'etcd://h:port',
  ])('%j is refused', (text) => {
    expect(() => parseRegistryLocator(text)).toThrow(kind('invalid'));
  });

  test('of consul says where the agent is, and in which datacenter', () => {
    const options = { address: 'https://h:8501', datacenter: 'dc1', namespace: 'n', partition: 'p' };
    expect(parseRegistryLocator('consuls://h:8501?dc=dc1&ns=n&partition=p')).toEqual({ type: 'consul', options });
    expect(parseRegistryLocator('consul://[::1]')).toEqual({ type: 'consul', options: { address: 'http://[::1]' } });
    expect(parseRegistryLocator('consul')).toEqual({ type: 'consul', options: {} });
    expect(() => parseRegistryLocator('consul://user:s3cret@h:8500')).not.toThrow(/s3cret/);
  });

  test('of nacos names the servers, the namespace and the group', () => {
    const options = { endpoints: ['https://h1:8848', 'https://[::1]'], namespace: 'team', group: 'A B' };
    expect(parseRegistryLocator('nacoss://h1:8848,[::1]/team?group=A%20B')).toEqual({ type: 'nacos', options });
    expect(parseRegistryLocator('nacos://h')).toEqual({ type: 'nacos', options: { endpoints: ['http://h'] } });
    expect(parseRegistryLocator('nacos')).toEqual({ type: 'nacos', options: {} });
    expect(() => parseRegistryLocator('nacos://user:s3cret@h:8848')).not.toThrow(/s3cret/);
  });

  test.each([
    'consul://',
    'consul://h/path',
    'consul://user:s3cret@h:8500',
    'consul://h?token=s3cret',
    'consul://h?dc=',
    'consul://h?dc=a&dc=b',
    'nacos://',
    'nacos://h/a/b',
    'nacos://user:s3cret@h:8848',
    'nacos://h?password=s3cret',
    'nacos://h?group=%zz',
    '',
    'zookeeper',
    'FILE',
    'static://x',
    'file://host/run',
    'file://',
    'file:////x',
    'file:///a?b',
    'file:///%zz',
    'file:///%00',
  ])('%j is refused', (text) => {
    expect(() => parseRegistryLocator(text)).toThrow(kind('invalid'));
  });

  test('of dns says whom to ask for which name', () => {
    const read = (text: string): unknown => parseRegistryLocator(text).options;
    const name = '{service}.svc.cluster.local';
    expect(read('dns')).toEqual({});
    expect(read(`dns:///${name}?port=8080`)).toEqual({ name, port: 8080 });
    expect(read('dns://127.0.0.1:8600,[::1]?type=srv')).toEqual({ servers: ['127.0.0.1:8600', '[::1]'], type: 'srv' });
    for (const text of ['dns://h?port=x', 'dns://h?x=y', 'dns://h/a/b', 'dns://h?port=1&port=2']) {
      expect(() => read(text)).toThrow(kind('invalid'));
    }
  });

  test('an unknown name is told with those that are known; a secret in it is not repeated', () => {
    expect(() => parseRegistryLocator('zookeeper')).toThrow(/"zookeeper", expected file, etcd/);
    expect(() => parseRegistryLocator('zk://u:secret@h')).not.toThrow(/secret/);
  });
});

describe('the static registry', () => {
  const never = new AbortController().signal;

  test('has what the configuration says', async () => {
    const options = {
      orders: ['10.0.0.5:8080', { host: '[::1]', port: 1, weight: 5, zone: 'z', protocol: 'h2c' }],
      none: [],
    };
    const registry = await openRegistry({ type: 'static', options });
    const watch = registry.watch(serviceKey('orders'), {});
    expect(watch.state).toBe('live');
    expect(watch.view?.snapshot).toMatchObject({
      origin: 'static',
      instances: [
        { id: '10.0.0.5:8080', host: '10.0.0.5', port: 8080, weight: 100, health: 'passing' },
        { id: '::1:1', host: '::1', port: 1, weight: 5, zone: 'z', protocol: 'h2c' },
      ],
    });
    expect((await registry.list({}, never)).map(({ service }) => service)).toEqual(['none', 'orders']);
    expect((await registry.read(serviceKey('absent'), never)).instances).toEqual([]);
    await registry.close();
  });

  test('takes a registration and does nothing with it', async () => {
    const registry = await openRegistry({ type: 'static' });
    const own = { key: serviceKey('me'), id: 'a', host: '10.0.0.1', port: 1, protocol: 'http', weight: 1 } as const;
    const instance = { ...own, tags: [], metadata: {}, health: 'passing', enabled: true } as const;
    const handle = registry.register({ instance, ttlMs: 10_000 });
    await handle.registered(AbortSignal.timeout(1_000));
    expect([handle.state, handle.promisedUntilMs]).toEqual(['registered', Infinity]);
    expect(await handle.deregister({ deadlineMs: 1_000 })).toBe('removed');
    await registry.close();
  });

  test.each([
    [{ a: ['10.0.0.1'] }],
    [{ a: [{ host: '10.0.0.1' }] }],
    [{ a: [null] }],
    [{ a: ['0.0.0.0:1'] }],
    [{ a: ['10.0.0.1:1', '10.0.0.1:1'] }],
    [{ a: 'x' }],
    [[]],
    ['x'],
  ])('refuses %j', async (options) => {
    await expect(openRegistry({ type: 'static', options })).rejects.toThrow(kind('invalid'));
  });
});
