// Addresses of registries with a user in them: refused with a word on where credentials go. No address is ever shown.
import { describe, expect, test } from 'vitest';
import { load, problemsOf } from './load.ts';

const ETCD = 'registry.etcd.username and .password, or ETCDCTL_USER and ETCDCTL_PASSWORD';
const CONSUL = 'registry.consul.token or .tokenFile, or CONSUL_HTTP_TOKEN';
const NACOS = 'registry.nacos.username and .password, or NACOS_USERNAME and NACOS_PASSWORD';

describe('in the file', () => {
  test.each([
    ['etcd: { endpoints: ["http://root:s3cret@h:2379"] }', 'registry.etcd.endpoints[0]', ETCD],
    ['etcd: { endpoints: ["root:s3cret@h:2379"] }', 'registry.etcd.endpoints[0]', ETCD],
    ['consul: { address: "https://s3cret@h:8501" }', 'registry.consul.address', CONSUL],
    ['consul: { address: "s3cret@h:8500" }', 'registry.consul.address', CONSUL],
    ['nacos: { endpoints: ["nacos:s3cret@h:8848"] }', 'registry.nacos.endpoints[0]', NACOS],
  ])('a user: %s', async (line, path, credentials) => {
    const [problem = '', ...more] = await problemsOf(`registry:\n  type: static\n  ${line}\n`);
    expect(more).toEqual([]);
    expect(problem).toMatch(/^pilotfish\.yaml:3:\d+: /);
    expect(problem).toContain(`${path}: found a value that is not shown, expected `);
    expect(problem).toContain(`without credentials: those go into ${credentials}`);
    expect(problem).not.toContain('s3cret');
  });

  test.each([
    'consul: { address: "http://h:8500?token=s3cret" }',
    'consul: { address: "h:8500/#s3cret" }',
    'etcd: { endpoints: ["http://root:s3cret"] }',
    'etcd: { endpoints: "http://root:s3cret" }',
    'nacos: { endpoints: "h:8848?accessToken=s3cret" }',
    'nacos: { endpoints: ["nacos:s3cret"] }',
    'type: "consul://h:8500?token=s3cret"',
    'type: "etcd://root:s3cret"',
  ])('wherever it stands: %s', async (line) => {
    const [problem = '', ...more] = await problemsOf(`registry:\n  ${line}\n`);
    expect(more).toEqual([]);
    expect(problem).toMatch(/^pilotfish\.yaml:2:\d+: registry\./);
    expect(problem).not.toContain('s3cret');
  });

  test.each(['ftp://h:1', 'http://h:70000', 'http://h/path', 'http://h?x=1', 'http://', 'http://::1:2379', ''])(
    'no address either: %s',
    async (text) => {
      expect(await problemsOf(`registry: { etcd: { endpoints: ["${text}"] } }`)).toHaveLength(1);
    },
  );

  test.each(['http://h:2379', 'https://[::1]:2379/', 'h', '10.0.0.1:2379', 'http://etcd_0.svc'])('%s', async (text) => {
    expect(await problemsOf(`registry: { etcd: { endpoints: ["${text}"] } }`)).toEqual([]);
  });

  test('a socket is an address of Consul alone', async () => {
    expect(await problemsOf('registry: { consul: { address: "unix:///run/consul.sock" } }')).toEqual([]);
    expect(await problemsOf('registry: { nacos: { endpoints: ["unix:///run/consul.sock"] } }')).toHaveLength(1);
  });
});

describe('in the variables of the registries’ own tools', () => {
  const ENV = {
    ETCDCTL_ENDPOINTS: 'http://h:1, http://root:s3cret@h:2379',
    CONSUL_HTTP_ADDR: 'https://s3cret@h:8501',
    NACOS_ADDR: 'nacos:s3cret@h:8848',
  };

  test.each([
    ['etcd', 'ETCDCTL_ENDPOINTS: registry.etcd.endpoints', ETCD],
    ['consul', 'CONSUL_HTTP_ADDR: registry.consul.address', CONSUL],
    ['nacos', 'NACOS_ADDR: registry.nacos.endpoints', NACOS],
  ])('%s', async (type, where, credentials) => {
    const [problem = '', ...more] = await problemsOf(`registry: { type: ${type} }`, ENV);
    expect(more).toEqual([]);
    expect(problem.startsWith(`${where}: found a text that is not shown, expected `)).toBe(true);
    expect(problem.endsWith(`without credentials: those go into ${credentials}`)).toBe(true);
  });

  test('those of registries that are not in use, or of which the file says more, count for nothing', async () => {
    expect((await load('registry: { type: static }', ENV)).ok).toBe(true);
    expect((await load('registry: { type: nacos, nacos: { endpoints: [h] } }', ENV)).ok).toBe(true);
    expect((await load('', { ...ENV, PILOTFISH_REGISTRY: 'etcd://h:2379' })).ok).toBe(true);
  });
});
