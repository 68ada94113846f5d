import { describe, expect, test } from 'vitest';
import { resolveOptions } from '../../../../adapters/etcd/options.ts';

const invalid = expect.objectContaining({ kind: 'invalid' }) as Error;

describe('the options of etcd', () => {
  test('have defaults for everything', () => {
    expect(resolveOptions({}, {})).toEqual({
      hosts: ['127.0.0.1:2379'],
      isSecure: false,
      tls: {},
      prefix: '/pilotfish',
      format: 'pilotfish',
      user: undefined,
    });
  });

  test('a port that is not given is 2379, a slash at the end of a prefix is dropped', () => {
    const { hosts, prefix } = resolveOptions({ endpoints: ['http://h', 'http://[::1]:1/'], prefix: '/a/b//' }, {});
    expect(hosts).toEqual(['h:2379', '[::1]:1']);
    expect(prefix).toBe('/a/b');
  });

  test.each([
    ['grpc', ''],
    ['kratos', '/microservices'],
  ] as const)('the format %s has the prefix that its own programs use', (format, prefix) => {
    expect(resolveOptions({ format }, {}).prefix).toBe(prefix);
  });

  test('what is missing comes from the variables of etcdctl, what is given wins', () => {
    const env = {
      ETCDCTL_ENDPOINTS: 'h1:1, h2:2',
      ETCDCTL_USER: 'sidecar:s3cret',
      ETCDCTL_CACERT: '/ca.pem',
      ETCDCTL_CERT: '',
    };
    const user = { name: 'sidecar', password: 's3cret' };
    expect(resolveOptions({}, env)).toMatchObject({
      hosts: ['h1:1', 'h2:2'],
      isSecure: true,
      tls: { ca: '/ca.pem' },
      user,
    });
    const given = resolveOptions({ endpoints: ['http://h3:3'], username: 'me', password: 'mine' }, env);
    expect(given).toMatchObject({ hosts: ['h3:3'], isSecure: false, user: { name: 'me', password: 'mine' } });
    expect(resolveOptions({}, { ...env, ETCDCTL_PASSWORD: 'other' }).user?.password).toBe('other');
  });

  test('the password of another user is not taken from the variables', () => {
    expect(() => resolveOptions({ username: 'me' }, { ETCDCTL_USER: 'sidecar:s3cret' })).toThrow(invalid);
  });

  test('a file with the password wins over all other passwords, and needs a user, too', () => {
    const env = { ETCDCTL_USER: 'sidecar:s3cret', ETCDCTL_PASSWORD: 'other' };
    const user = { name: 'sidecar', passwordFile: '/run/password' };
    expect(resolveOptions({ passwordFile: '/run/password' }, env).user).toEqual(user);
    const both = { username: 'sidecar', password: 'mine', passwordFile: '/run/password' };
    expect(resolveOptions(both, {}).user).toEqual(user);
    expect(() => resolveOptions({ passwordFile: '/run/password' }, {})).toThrow(invalid);
  });

  test.each([
    { endpoints: ['http://user:s3cret@h:1'] },
    { endpoints: ['http://h:1', 'https://h:2'] },
    { endpoints: ['http://h:70000'] },
    { endpoints: ['http://h/s3cret'] },
    { endpoints: ['http://h'], tls: { ca: '/ca.pem' } },
    { tls: { cert: '/cert.pem' } },
    { password: 's3cret' },
  ])('%j is refused, and nothing of it is repeated', (options) => {
    expect(() => resolveOptions(options, {})).toThrow(invalid);
    expect(() => resolveOptions(options, {})).not.toThrow(/s3cret/);
  });
});
