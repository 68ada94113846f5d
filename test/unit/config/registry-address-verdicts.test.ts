// One truth on addresses: what `validate` lets through the adapter takes, and what the adapter refuses `validate` names.
import { describe, expect, test } from 'vitest';
import { consulTarget } from '../../../adapters/consul/options.ts';
import { resolveOptions } from '../../../adapters/etcd/options.ts';
import { nacosSettings } from '../../../adapters/nacos/options.ts';
import { problemsOf } from './load.ts';

type Env = Readonly<Record<string, string>>;

const REGISTRIES = [
  {
    type: 'etcd',
    variable: 'ETCDCTL_ENDPOINTS',
    field: (address: string) => ({ endpoints: [address] }),
    open: (options: object, env: Env) => resolveOptions(options, env),
  },
  {
    type: 'consul',
    variable: 'CONSUL_HTTP_ADDR',
    field: (address: string) => ({ address }),
    open: (options: object, env: Env) => consulTarget(options, env),
  },
  {
    type: 'nacos',
    variable: 'NACOS_ADDR',
    field: (address: string) => ({ endpoints: [address] }),
    open: (options: object, env: Env) => nacosSettings(options, env),
  },
] as const;

const ADDRESSES = [
  ...['h', 'h:1', 'h:65535', '10.0.0.1', '10.0.0.1:8848', 'a.b.', 'a.b.:1', 'etcd_0.svc', 'A-b.c'],
  ...['http://h', 'https://h:2379', 'http://h:1/', 'HTTP://h:2379', 'Https://h'],
  ...['[::1]', '[::1]:1', 'http://[::1]:1', 'https://[fd00::7]:2379/', '[::ffff:10.0.0.1]:1'],
];
const NO_ADDRESSES = [
  ...[
    'h:',
    'h:0',
    'h:65536',
    'h:123456',
    'h:x',
    'h:1:2',
    ':1',
    'h h',
    'h\\t:1',
    'h:1//',
    'h/a',
    'h?a',
    'h#a',
    'a..b',
    '.',
    'a.b..',
  ],
  ...[
    '10.0.0',
    '10.0.0.1.2',
    '256.0.0.1',
    '1',
    'a.1',
    'a.0x7',
    '-a',
    'ü',
    'http://',
    'http:h',
    'http:/h',
    'ftp://h',
    'http://http://h',
  ],
  ...[
    '[::1%lo]',
    'http://[::1%lo]:1',
    '::1',
    '::1:1',
    '[]:1',
    '[::g]:1',
    '[10.0.0.1]:1',
    '[::1]1',
    '[::1',
    'http://::1:2379',
  ],
  ...['u:p@h:1', 'http://u:p@h', 'http://root:s3cret', 'http://h:8500?token=s3cret', 'tcp://h:1'],
];

async function isValid(yaml: object, env: Env = {}): Promise<boolean> {
  return (await problemsOf(JSON.stringify({ registry: yaml }), env)).length === 0;
}

function isTaken(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch (error) {
    expect(error).toMatchObject({ kind: 'invalid' });
    expect(String(error)).not.toMatch(/s3cret/);
    return false;
  }
}

describe.each(REGISTRIES)('$type', ({ type, variable, field, open }) => {
  const verdicts = async (address: string, inVariable: string | undefined): Promise<readonly boolean[]> => {
    const env = inVariable === undefined ? {} : { [variable]: inVariable };
    const options = inVariable === undefined ? field(address) : {};
    return [await isValid({ type, [type]: options }, env), isTaken(() => open(options, env))];
  };

  test.each(ADDRESSES)('%s is one', async (address) => {
    expect(await verdicts(address, undefined)).toEqual([true, true]);
    expect(await verdicts('', address)).toEqual([true, true]);
    expect(await verdicts('', ` ${address} `)).toEqual([true, true]);
  });

  test.each(NO_ADDRESSES)('%s is none', async (address) => {
    expect(await verdicts(address, undefined)).toEqual([false, false]);
    expect(await verdicts('', address)).toEqual([false, false]);
  });

  test.each(['', ' ', ' h:1', 'h:1 '])('in the file, %j is none', async (address) => {
    expect(await verdicts(address, undefined)).toEqual([false, false]);
  });

  test.each(['', ' '])('as a variable, %j says nothing', async (text) => {
    expect(await verdicts('', text)).toEqual([true, true]);
    expect(open({}, { [variable]: text })).toEqual(open({}, {}));
  });

  test('several, with blanks in between, are a list where there can be several', async () => {
    for (const text of ['h:1,', 'h:1,,h:2', ' h:1 , h:2 ', ',']) {
      const isList = type !== 'consul';
      expect(await verdicts('', text)).toEqual([isList, isList]);
    }
  });

  test('a socket is one for Consul alone', async () => {
    const isConsul = type === 'consul';
    expect(await verdicts('unix:///run/consul.sock', undefined)).toEqual([isConsul, isConsul]);
    for (const text of ['unix://run/consul.sock', 'unix:///', 'unix:///a\u0000b', 'unix:///a\nb']) {
      expect(await verdicts(text, undefined)).toEqual([false, false]);
    }
  });
});
