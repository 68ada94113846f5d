import { describe, expect, it } from 'vitest';
import { REGISTRY_TYPES } from '../../../src/registry/locator.ts';
import { problemsOf } from './load.ts';

const HOST_PORT = 'the address of the app as host:port, such as 127.0.0.1:3000 or [::1]:3000';
const KNOWN = `${REGISTRY_TYPES.slice(0, -1).join(', ')} or ${String(REGISTRY_TYPES.at(-1))}`;
const SECTIONS = 'service, registry, listeners, admin, http, upstreams, overload, drain, log';

/** Text of a file → all of its problems. */
const cases: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'a value of the wrong type',
    'drain:\n  settle: 5\n',
    ['pilotfish.yaml:2:11: drain.settle: found 5, expected a duration such as 250ms, 5s or 1m, from 0 to 24h'],
  ],
  [
    'a duration without a unit in quotes',
    'drain: { settle: "5" }',
    ['pilotfish.yaml:1:18: drain.settle: found "5", expected a duration such as 250ms, 5s or 1m, from 0 to 24h'],
  ],
  [
    'a size in decimal units',
    'http:\n  limits:\n    requestLine: 8KB',
    [
      'pilotfish.yaml:3:18: http.limits.requestLine: found "8KB", expected a size such as 512B or 16KiB, from 64B to 1MiB',
    ],
  ],
  [
    'a number out of range',
    'upstreams: { orders: { retry: { attempts: 0 } } }',
    ['pilotfish.yaml:1:43: upstreams.orders.retry.attempts: found 0, expected a whole number from 1 to 10'],
  ],
  [
    'an unknown section',
    'upstream: {}',
    [
      `pilotfish.yaml:1:1: upstream: found the unknown key "upstream", expected one of ${SECTIONS}; did you mean "upstreams"?`,
    ],
  ],
  [
    'an unknown key with a near one',
    'drain:\n  setle: 1s',
    [
      'pilotfish.yaml:2:3: drain.setle: found the unknown key "setle", expected one of settle, timeout; did you mean "settle"?',
    ],
  ],
  [
    'an unknown key with no near one',
    'drain:\n  whatever: 1s',
    ['pilotfish.yaml:2:3: drain.whatever: found the unknown key "whatever", expected one of settle, timeout'],
  ],
  [
    'a repeated key',
    'log: { level: info }\ndrain: {}\nlog: { level: warn }',
    ['pilotfish.yaml:3:1: log: found the key a second time (first in line 1), expected each key once'],
  ],
  [
    'a service without an app',
    'log: {}\nservice:\n  name: orders\n',
    [`pilotfish.yaml:2:1: service.app: found nothing, expected ${HOST_PORT}`],
  ],
  [
    'an app that is no address',
    'service:\n  name: orders\n  app: 3000\n',
    [`pilotfish.yaml:3:8: service.app: found 3000, expected ${HOST_PORT}`],
  ],
  ['a section that is a list', 'log:\n- level: info', ['pilotfish.yaml:2:1: log: found a list, expected a mapping']],
  ['a section with nothing in it', 'log:\ndrain: {}', ['pilotfish.yaml:1:1: log: found nothing, expected a mapping']],
  ['a list as the whole file', '- a', ['pilotfish.yaml:1:1: found a list, expected a mapping of sections']],
  ['a text as the whole file', 'hello', ['pilotfish.yaml:1:1: found a single value, expected a mapping of sections']],
  [
    'two health checks',
    'service: { name: o, app: "a:1", health: { http: /, tcp: true } }',
    ['pilotfish.yaml:1:41: service.health: found a mapping, expected only one of http, tcp and grpc'],
  ],
  [
    'metadata that no registry keeps',
    `service: { name: o, app: "a:1", metadata: { v: ${'x'.repeat(16_384)} } }`,
    ['pilotfish.yaml:1:43: service.metadata: found a mapping, expected at most 256 pairs, of 16384 bytes together'],
  ],
  [
    'metadata that YAML read as a number',
    'service: { name: o, app: "a:1", metadata: { v: 2.10 } }',
    ['pilotfish.yaml:1:48: service.metadata.v: found 2.1, expected text (quote what looks like a number)'],
  ],
  [
    'an unknown registry',
    'registry: { type: zookeeper }',
    [`pilotfish.yaml:1:19: registry.type: found "zookeeper", expected ${KNOWN}`],
  ],
  [
    'static instances of all kinds of wrong',
    'registry:\n  static:\n    a:\n    - b\n    - {host: h}\n    - {host: h, port: 1, foo: 2}\n    - 7',
    [
      'pilotfish.yaml:4:7: registry.static.a[0]: found "b", expected an instance as host:port, or a mapping with host and port',
      'pilotfish.yaml:5:7: registry.static.a[1].port: found nothing, expected a whole number from 1 to 65535',
      'pilotfish.yaml:6:26: registry.static.a[2].foo: found the unknown key "foo", expected one of host, port, protocol, weight, zone, tags, metadata, health, enabled, owner, leaving',
      'pilotfish.yaml:7:7: registry.static.a[3]: found 7, expected an instance as host:port, or a mapping with host and port',
    ],
  ],
  [
    'static instances that no registry would list',
    'registry:\n  static:\n    a: ["0.0.0.0:80", "[fe80::1]:80", "h:80", { host: h, port: 80 }, { host: a b, port: 80 }]',
    [
      'pilotfish.yaml:3:9: registry.static.a[0]: found "0.0.0.0:80", expected an instance as host:port, or a mapping with host and port',
      'pilotfish.yaml:3:23: registry.static.a[1]: found "[fe80::1]:80", expected an instance as host:port, or a mapping with host and port',
      'pilotfish.yaml:3:78: registry.static.a[4].host: found "a b", expected an IP address that is neither unspecified nor link-local, or a name',
    ],
  ],
  [
    'a static instance that is there twice',
    'registry: { static: { a: ["h:80", "h:81", { host: h, port: 80 }] } }',
    ['pilotfish.yaml:1:43: registry.static.a[2]: found a mapping, expected each host and port once'],
  ],
  [
    'an advertised address that nobody can reach',
    'service: { name: o, app: "a:1", advertise: 169.254.0.1:80 }',
    [
      'pilotfish.yaml:1:44: service.advertise: found "169.254.0.1:80", expected a host that others reach us at (not 0.0.0.0, no link-local address), as host or host:port',
    ],
  ],
  [
    'an admin listener for everybody',
    'admin: { address: 0.0.0.0:15000 }',
    [
      'pilotfish.yaml:1:19: admin.address: found "0.0.0.0:15000", expected a loopback address or unix:/path (the admin listener has no authentication)',
    ],
  ],
  [
    'an alias that no Host can spell',
    'upstreams: { Orders: {} }',
    ['pilotfish.yaml:1:14: upstreams.Orders: found the key "Orders", expected a host name in lower case, or "*"'],
  ],
  [
    'one service for all upstreams',
    'upstreams:\n  "*":\n    service: { name: x }',
    ['pilotfish.yaml:3:5: upstreams.*.service: found a service for all, expected it under the name of one upstream'],
  ],
  [
    'a reason for retries that is none',
    'upstreams: { a: { retry: { on: [connect, never, 200] } } }',
    [
      'pilotfish.yaml:1:42: upstreams.a.retry.on[1]: found "never", expected connect, reset-before-response, attempt-timeout, or a status from 400 to 599',
      'pilotfish.yaml:1:49: upstreams.a.retry.on[2]: found 200, expected connect, reset-before-response, attempt-timeout, or a status from 400 to 599',
    ],
  ],
  [
    'a settle longer than the whole drain',
    'drain:\n  settle: 30s\n  timeout: 25s',
    ['pilotfish.yaml:2:11: drain.settle: found "30s", expected at most drain.timeout'],
  ],
  [
    'more idle connections made than are kept, or than there may be',
    'upstreams:\n  a: { connect: { minIdle: 9, maxIdle: 8 } }\n  b: { connect: { minIdle: 9, max: 8 } }',
    [
      'pilotfish.yaml:2:28: upstreams.a.connect.minIdle: found 9, expected at most maxIdle and max',
      'pilotfish.yaml:3:28: upstreams.b.connect.minIdle: found 9, expected at most maxIdle and max',
    ],
  ],
  [
    'a block of addresses that is none',
    'http: { trusted: [10.0.0.0/8, 10.0.0.0/33] }',
    [
      'pilotfish.yaml:1:31: http.trusted[1]: found "10.0.0.0/33", expected a block of addresses such as 10.0.0.0/8 or fd00::/8, or one address',
    ],
  ],
  [
    'broken YAML',
    'log:\n  level: [info\n',
    [
      'pilotfish.yaml:3:1: found Flow sequence in block collection must be sufficiently indented and end with a ], expected valid YAML',
    ],
  ],
  [
    'a tab as indentation',
    'log:\n\tlevel: info',
    ['pilotfish.yaml:2:1: found Tabs are not allowed as indentation, expected valid YAML'],
  ],
  [
    'a tag',
    'log: { level: !secret info }',
    ['pilotfish.yaml:1:15: found Unresolved tag: !secret, expected valid YAML'],
  ],
  [
    'two documents',
    'log: {}\n---\nlog: {}',
    [
      'pilotfish.yaml:2:1: found Source contains multiple documents; please use YAML.parseAllDocuments(), expected valid YAML',
    ],
  ],
  [
    'an unknown alias',
    'log: { level: *level }',
    ['pilotfish.yaml:1:15: log.level: found the alias *level, expected an anchor of that name before it'],
  ],
  [
    'an alias of itself',
    'log: &log { level: *log }',
    [
      'pilotfish.yaml:1:11: log.level.level.level.level.level.level.level.level.level.level.level.level: found deeper nesting, expected at most 24 levels',
      'pilotfish.yaml:1:20: log.level: found a mapping, expected one of trace, debug, info, warn, error, fatal, silent',
    ],
  ],
  [
    'a key that is a list',
    '? [a]\n: b',
    ['pilotfish.yaml:1:3: found a key that is no plain name, expected a name, a colon and a value'],
  ],
  [
    'a key that reaches a prototype',
    'service:\n  name: o\n  app: a:1\n  metadata:\n    __proto__: x\n',
    ['pilotfish.yaml:5:5: service.metadata: found the key "__proto__", expected another name'],
  ],
];

describe('a file that is wrong', () => {
  it.each(cases)('%s is reported where it stands', async (_, yaml, expected) => {
    expect(await problemsOf(yaml)).toEqual(expected);
  });

  it('is reported with all of its problems at once, in their order', async () => {
    const problems = await problemsOf(
      'log: { level: loud }\nfoo: 1\ndrain: { settle: x }\nupstreams: { a: { balancer: best } }',
    );
    expect(problems.map((problem) => problem.split(': ')[0])).toEqual([
      'pilotfish.yaml:1:15',
      'pilotfish.yaml:2:1',
      'pilotfish.yaml:3:18',
      'pilotfish.yaml:4:29',
    ]);
  });

  it('counts lines as the file has them, carriage returns and a byte order mark included', async () => {
    expect((await problemsOf('\ufefflog: {}\r\n\r\ndrain:\r\n  settle: x\r\n'))[0]).toMatch(/^pilotfish\.yaml:4:11: /);
  });
});

describe('a file that is an attack', () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((name, index) => {
      const before = 'abcdefgh'[index] ?? '';
      return `${name}: &${name} [${Array<string>(10).fill(`*${before}`).join(',')}]`;
    }),
  ].join('\n');

  it('is refused when aliases multiply', async () => {
    expect((await problemsOf(bomb)).join('\n')).toContain('expected at most 50000 values');
  });

  it('is refused above 1 MiB', async () => {
    expect(await problemsOf(`# ${'x'.repeat(1_048_576)}\n`)).toEqual([
      'pilotfish.yaml:1:1: found more than 1 MiB, expected a file of at most 1 MiB',
    ]);
  });

  it('is refused when nested thousands deep', async () => {
    const [problem] = await problemsOf('['.repeat(100_000));
    expect(problem).toContain('expected valid YAML');
  });

  it('is judged in time with tens of thousands of keys', async () => {
    const keys = Array.from({ length: 40_000 }, (_, index) => `k${index}: 1`).join('\n');
    expect((await problemsOf(keys)).length).toBe(40_000);
  });

  it('cannot hide a control character in a message', async () => {
    const [problem = ''] = await problemsOf('log: { level: "\\e[2J\\n\\u202e" }');
    expect(problem).not.toMatch(/\p{Cc}|\p{Bidi_Control}/u);
  });
});
