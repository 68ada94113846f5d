// What no server here can be made to do, or newer ones do otherwise: a stand-in that speaks as an agent of 1.20 does.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createConsulAdapter } from '../../../../adapters/consul/consul.ts';
import type { ConsulOptions } from '../../../../adapters/consul/options.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { serviceKey, type ServiceInstance, type Watch } from '../../../../src/registry/types.ts';
import { until } from '../../../support/until.ts';

const ORDERS = serviceKey('orders');
const signal = (): AbortSignal => AbortSignal.timeout(5_000);

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Ends the connection in the middle of the body. */
  readonly isCut?: boolean;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
  readonly headers: IncomingMessage['headers'];
}

let server: Server;
let asked: Asked[];
let opened: Registry[];
let answers: Record<string, (asked: Asked) => Answer | Promise<Answer>>;

beforeEach(async () => {
  asked = [];
  opened = [];
  answers = {
    '/v1/agent/self': () => ({ body: { Config: { Datacenter: 'dc1', NodeID: 'n1' } } }),
    '/v1/status/leader': () => ({ body: '127.0.0.1:8300' }),
    '/v1/internal/acl/authorize': () => ({ status: 401, body: 'ACL support disabled' }),
  };
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    const { method = '', headers } = request;
    const token = headers['x-consul-token'] as string | undefined;
    const path = decodeURIComponent(pathname);
    const one = { method, path, query: searchParams, token, headers };
    asked.push(one);
    request.resume();
    void Promise.resolve(answers[path]?.(one) ?? { status: 404, body: 'no handler' }).then((answer) => {
      const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? null);
      const length = answer.isCut === true ? { 'content-length': String(body.length + 10) } : {};
      const type = typeof answer.body === 'string' ? 'text/plain' : 'application/json';
      response.writeHead(answer.status ?? 200, { 'content-type': type, ...length, ...answer.headers });
      response.write(body);
      if (answer.isCut === true) setImmediate(() => request.socket.destroy());
      else response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const registry of opened) await registry.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function open(options: ConsulOptions = {}): Registry {
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const registry = createConsulAdapter({ address, ...options }, { ttlMs: 600 }, {}); // Reconnects within 0.2 s.
  opened.push(registry);
  return registry;
}

function entry(id: string): object {
  const Service = { ID: id, Service: 'orders', Address: '10.0.0.1', Port: 80 };
  return { Node: { Node: 'n1', Address: '10.0.0.1' }, Service, Checks: [] };
}

/** A list that changes by hand; blocking queries wait until it does. */
function list(): { set(index: number, ids: readonly string[]): void; readonly indexes: string[] } {
  let current: Answer = { headers: { 'x-consul-index': '5' }, body: [entry('a')] };
  let wake: (() => void)[] = [];
  const indexes: string[] = [];
  answers['/v1/health/service/orders'] = async ({ query }) => {
    indexes.push(query.get('index') ?? '-');
    if (query.get('index') !== null) await new Promise<void>((resolve) => wake.push(resolve));
    return current;
  };
  return {
    indexes,
    set: (index, ids) => {
      current = { headers: { 'x-consul-index': String(index) }, body: ids.map(entry) };
      for (const one of wake) one();
      wake = [];
    },
  };
}

const ids = (watch: Watch): string | undefined => watch.view?.snapshot.instances.map(({ id }) => id).join();

describe('blocking queries', () => {
  test('carry the index; one that goes back begins anew', async () => {
    const orders = list();
    const watch = open().watch(ORDERS, {});
    await until('first list', () => ids(watch) === 'a' && orders.indexes.length === 2);
    orders.set(9, ['a', 'b']);
    await until('second list', () => ids(watch) === 'a,b' && orders.indexes.length === 3);
    orders.set(3, ['a', 'b', 'c']);
    await until('third list', () => ids(watch) === 'a,b,c');
    expect(orders.indexes.slice(0, 5)).toEqual(['-', '5', '9', '-', '3'].slice(0, orders.indexes.length));
    expect(watch.state).toBe('live');
  });

  test('that are woken for nothing change nothing; an index of 0 does not make them spin', async () => {
    const orders = list();
    let views = 0;
    const watch = open().watch(ORDERS, { onView: () => views++ });
    await until('first list', () => orders.indexes.length === 2);
    orders.set(0, ['a']);
    await until('asked again', () => orders.indexes.length === 4);
    for (let round = 0; round < 12; round++) {
      const before = orders.indexes.length;
      orders.set(1, ['a']);
      await until('asked again', () => orders.indexes.length > before, { withinMs: 1_500 });
    }
    expect([views, ids(watch)]).toEqual([1, 'a']);
  });

  test.each<[string, Answer]>([
    ['500', { status: 500, body: 'No cluster leader' }],
    ['404', { status: 404, body: [] }],
    ['429', { status: 429, body: 'Your IP is issuing too many concurrent connections' }],
    ['a body that is cut', { headers: { 'x-consul-index': '6' }, body: [], isCut: true }],
    ['no index', { body: [entry('z')] }],
    ['no JSON', { headers: { 'x-consul-index': '6' }, body: '<html>' }],
    ['no list', { headers: { 'x-consul-index': '6' }, body: {} }],
  ])('answered with %s hold the last list', async (_what, answer) => {
    const orders = list();
    const watch = open().watch(ORDERS, {});
    await until('first list', () => orders.indexes.length === 2);
    const good = answers['/v1/health/service/orders'];
    answers['/v1/health/service/orders'] = () => answer;
    orders.set(6, ['a']);
    await until('stale', () => watch.state === 'stale', { withinMs: 6_000 });
    expect(ids(watch)).toBe('a');
    if (good !== undefined) answers['/v1/health/service/orders'] = good;
    await until('live', () => watch.state === 'live', { withinMs: 8_000 });
  });
});

describe('an empty answer', () => {
  const empty = { headers: { 'x-consul-index': '1' }, body: [] };
  const authorize = (service: boolean, node: boolean): Answer => ({
    body: [
      { Resource: 'service', Access: 'read', Allow: service },
      { Resource: 'node', Access: 'read', Allow: node },
    ],
  });
  const read = async (answer: Answer, options: ConsulOptions = {}): Promise<unknown> => {
    answers['/v1/health/service/orders'] = () => answer;
    return open(options)
      .read(ORDERS, signal())
      .then(
        ({ instances }) => instances.length,
        (error: unknown) => (error as { kind: string }).kind,
      );
  };

  test('is believed without access control, and where the token may read', async () => {
    expect(await read(empty)).toBe(0);
    answers['/v1/internal/acl/authorize'] = () => authorize(true, true);
    expect(await read(empty)).toBe(0);
  });

  test('is a denial where the headers or the authorization say so', async () => {
    const filtered = { ...empty, headers: { ...empty.headers, 'x-consul-results-filtered-by-acls': 'true' } };
    expect(await read(filtered)).toBe('forbidden');
    answers['/v1/internal/acl/authorize'] = () => authorize(false, true);
    expect(await read(empty)).toBe('forbidden');
    answers['/v1/internal/acl/authorize'] = () => ({ status: 403, body: 'ACL not found' });
    expect(await read(empty, { token: 'unknown' })).toBe('unauthenticated');
  });

  test('without the right to all nodes is believed only where some are seen', async () => {
    answers['/v1/internal/acl/authorize'] = () => authorize(true, false);
    answers['/v1/catalog/nodes'] = () => ({ body: [] });
    expect(await read(empty)).toBe('forbidden');
    answers['/v1/catalog/nodes'] = () => ({ body: [{ Node: 'n1' }] });
    expect(await read(empty)).toBe(0);
  });

  test('of an agent that cannot authorize: goes by the default policy, and by whether the token exists', async () => {
    answers['/v1/internal/acl/authorize'] = () => ({ status: 404, body: 'no such thing' });
    const denying = { ...empty, headers: { ...empty.headers, 'x-consul-default-acl-policy': 'deny' } };
    expect(await read(denying)).toBe('forbidden');
    expect(await read(empty)).toBe(0);
    answers['/v1/acl/token/self'] = () => ({ status: 403, body: 'ACL not found' });
    expect(await read(empty, { token: 't' })).toBe('unauthenticated');
    answers['/v1/acl/token/self'] = () => ({ body: {} });
    expect(await read(empty, { token: 't' })).toBe(0);
  });
});

test('a token file is read again when it changes; the token is in no URL', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-consul-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const tokenFile = join(directory, 'token');
  const registry = open({ tokenFile });
  await expect(registry.ping(signal())).rejects.toMatchObject({ kind: 'unauthenticated' });
  writeFileSync(tokenFile, 'first-s3cret\n');
  await until('the file is found', () =>
    registry.ping(signal()).then(
      () => true,
      () => false,
    ),
  );
  writeFileSync(tokenFile, 'second-s3cret\n');
  await until('the new token is used', async () => {
    await registry.ping(signal());
    return asked.at(-1)?.token === 'second-s3cret';
  });
  expect(asked.filter(({ query }) => query.toString().includes('s3cret'))).toEqual([]);
  expect(asked.map(({ token }) => token)).toContain('first-s3cret');
});

test('datacenter, namespace and partition go where they belong', async () => {
  list();
  const registry = open({ datacenter: 'dc2', namespace: 'team', partition: 'p' });
  await registry.read(ORDERS, signal());
  const health = asked.find(({ path }) => path.startsWith('/v1/health'));
  expect(Object.fromEntries(health?.query ?? [])).toMatchObject({ dc: 'dc2', ns: 'team', partition: 'p' });
  await registry.read({ ...ORDERS, namespace: 'other' }, signal());
  expect(asked.at(-1)?.query.get('ns')).toBe('other');
  answers['/v1/catalog/services'] = () => ({ body: { consul: [], orders: ['v2'], 'blue~orders': [] } });
  expect(await registry.list({}, signal())).toEqual([serviceKey('orders', 'default', 'blue'), ORDERS]);
  expect(asked.at(-1)).toMatchObject({ headers: { 'x-consul-namespace': 'team' } });
  expect(asked.at(-1)?.query.get('dc')).toBe('dc2');
});

describe('a registration', () => {
  const own: ServiceInstance = {
    key: ORDERS,
    id: 'a',
    host: '10.0.0.1',
    port: 80,
    protocol: 'http',
    weight: 100,
    tags: [],
    metadata: {},
    health: 'passing',
    enabled: true,
  };

  beforeEach(() => {
    answers['/v1/agent/health/service/id/orders:a'] = () => ({ status: 404, body: { AggregatedStatus: 'critical' } });
    answers['/v1/health/service/orders'] = () => ({ headers: { 'x-consul-index': '1' }, body: [] });
    answers['/v1/agent/service/register'] = () => ({ body: '' });
  });

  test.each([
    ['newer ones', 404, 'Unknown check ID "service:orders:a:aaaaaaaa"'],
    ['older ones with access control', 500, 'Unknown check "service:orders:a:aaaaaaaa"'],
    ['older ones without', 500, 'CheckID "service:orders:a:aaaaaaaa" does not have associated TTL'],
  ])('whose check the agent has forgotten, as %s say, is made anew', async (_who, status, body) => {
    const handle = open().register({ instance: { ...own, owner: 'aaaaaaaa-1' }, ttlMs: 30_000 });
    const states: string[] = [];
    handle.onState((state) => states.push(state));
    const isPut = ({ path }: Asked): boolean => path === '/v1/agent/service/register';
    answers['/v1/agent/check/warn/service:orders:a:aaaaaaaa'] = () => ({ status, body });
    await until('registered', () => handle.state === 'registered');
    handle.setHealth('warning'); // So that the next sign of life is due at once.
    await until('registered twice', () => asked.filter(isPut).length >= 2 && handle.state === 'registered');
    expect(states).toEqual(['registered', 'lost', 'registered']);
    expect(asked.find(isPut)?.query.get('replace-existing-checks')).toBe('true');
  });

  test('under an id that another agent’s living service has is a conflict; that of a dead one is taken', async () => {
    const { Node } = entry('x') as { Node: object };
    const theirs = (Output: string) => ({
      Node,
      Service: {
        ID: 'orders:a',
        Service: 'orders',
        Address: '10.0.0.9',
        Port: 9,
        Meta: { 'pilotfish-owner': 'other' },
      },
      Checks: [{ CheckID: 'service:orders:a', Status: 'critical', Output }],
    });
    answers['/v1/health/service/orders'] = () => ({
      headers: { 'x-consul-index': '1' },
      body: [theirs('the app is ill')],
    });
    const handle = open().register({ instance: own, ttlMs: 1_000 });
    await until('conflict', () => handle.state === 'conflict');
    answers['/v1/health/service/orders'] = () => ({
      headers: { 'x-consul-index': '1' },
      body: [theirs('TTL expired')],
    });
    await until('registered', () => handle.promisedUntilMs > 0);
  });

  test('that is refused says so, and goes on when it may', async () => {
    answers['/v1/agent/service/register'] = () => ({ status: 403, body: 'Permission denied: lacks service:write' });
    const handle = open({ token: 'weak-s3cret' }).register({ instance: own, ttlMs: 1_000 });
    await until('denied', () => handle.state === 'denied');
    expect(handle.lastError?.message).toBe('consul agent/service: 403 Permission denied: lacks service:write');
    answers['/v1/agent/service/register'] = () => ({ body: '' });
    await until('registered', () => handle.promisedUntilMs > 0);
  });
});
