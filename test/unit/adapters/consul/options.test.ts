import { describe, expect, test } from 'vitest';
import { consulTarget } from '../../../../adapters/consul/options.ts';

describe('options', () => {
  test.each([
    [{}, {}, 'http://127.0.0.1:8500'],
    [{ address: 'h:1' }, { CONSUL_HTTP_ADDR: 'x:2' }, 'http://h:1'],
    [{}, { CONSUL_HTTP_ADDR: 'x:2' }, 'http://x:2'],
    [{}, { CONSUL_HTTP_ADDR: 'x:2', CONSUL_HTTP_SSL: 'true' }, 'https://x:2'],
    [{ address: 'h:1' }, { CONSUL_HTTP_SSL: 'true', CONSUL_CACERT: '/ca' }, 'http://h:1'],
    [{}, { CONSUL_HTTP_ADDR: 'https://x' }, 'https://x:8501'],
    [{ address: 'https://h:443' }, {}, 'https://h:443'],
    [{ address: 'h', tls: { enabled: true } }, {}, 'https://h:8501'],
    [{ address: '[::1]:8500' }, {}, 'http://[::1]:8500'],
    [{ address: 'unix:///run/consul.sock' }, {}, 'http://localhost'],
  ])('%j with %j is %s', (options, env, origin) => {
    expect(consulTarget(options, env).origin).toBe(origin);
  });

  test('what is given wins over variables, a token of either kind over both', () => {
    const env = {
      CONSUL_HTTP_TOKEN: 'env',
      CONSUL_HTTP_TOKEN_FILE: '/env',
      CONSUL_NAMESPACE: 'n',
      CONSUL_PARTITION: '',
    };
    expect(consulTarget({}, env)).toMatchObject({
      token: 'env',
      tokenFile: '/env',
      namespace: 'n',
      partition: undefined,
    });
    expect(consulTarget({ token: 'own' }, env)).toMatchObject({ token: 'own', tokenFile: undefined });
    expect(consulTarget({ tokenFile: '/own' }, env)).toMatchObject({ token: undefined, tokenFile: '/own' });
  });

  test.each([
    { address: 'http://user:s3cret@h:8500' },
    { address: 'http://h:8500/?token=s3cret' },
    { address: 'ftp://h' },
    { address: '' },
    { token: 's3cret\n' },
    { tls: { cert: '/c' } },
    { tls: { enabled: 'yes' } },
    { port: 1 },
    { tls: 7 },
  ])('%j is refused, without its secret', (options) => {
    let thrown: unknown;
    try {
      consulTarget(options, {});
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ kind: 'invalid' });
    expect(String(thrown)).not.toContain('s3cret');
  });
});
