import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { dispatch } from '../../../src/cli/dispatch.ts';
import { startApp } from '../../support/apps.ts';
import { until } from '../../support/until.ts';
import { Console } from './console.ts';

/** `PILOTFISH_REGISTRY` of a directory of its own. */
function registry(): { readonly PILOTFISH_REGISTRY: string } {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return { PILOTFISH_REGISTRY: `file://${directory}` };
}

interface Running {
  readonly console: Console;
  readonly code: Promise<number>;
}

function start(args: readonly string[], env: Readonly<Record<string, string>>): Running {
  const console = new Console(env);
  return { console, code: dispatch(['registry', ...args], console) };
}

async function ls(args: readonly string[], env: Readonly<Record<string, string>>): Promise<unknown> {
  const { console, code } = start(['ls', '--json', ...args], env);
  expect(await code).toBe(0);
  return JSON.parse(console.out);
}

async function stopped({ console, code }: Running): Promise<number> {
  await until('the command waits for a signal', () => console.isListening);
  console.send('SIGTERM');
  return code;
}

describe('registry', () => {
  it('has nothing at first: empty lists, exit 0', async () => {
    const env = registry();
    expect(await ls([], env)).toEqual([]);
    expect(await ls(['orders'], env)).toEqual([]);
    const { console, code } = start(['ls'], env);
    expect([await code, console.out]).toEqual([0, 'no services\n']);
  });

  it('holds a registration until a signal, and shows it to ls and watch', async () => {
    const env = registry();
    const watch = start(['watch', 'orders'], env);
    const json = start(['watch', 'orders', '--json'], env);
    await watch.console.shows('! live');
    const register = start(
      ['register', 'orders', '127.0.0.1:8080', '--ttl', '2s', '--tag', 'v2', '--meta', 'a=b', '--weight', '50'],
      env,
    );
    await register.console.shows('registered orders 127.0.0.1:8080 as orders-127.0.0.1-8080');
    await watch.console.shows(' + orders-127.0.0.1-8080 127.0.0.1:8080 passing weight 50\n');

    const expected = {
      service: 'orders',
      namespace: 'default',
      group: 'default',
      id: 'orders-127.0.0.1-8080',
      host: '127.0.0.1',
      port: 8080,
      protocol: 'http',
      weight: 50,
      tags: ['v2'],
      metadata: { a: 'b' },
      health: 'passing',
      enabled: true,
    };
    expect(await ls(['orders'], env)).toMatchObject([expected]);
    expect(await ls([], env)).toMatchObject([expected]);
    const text = start(['ls'], env);
    await text.code;
    expect(text.console.out).toBe('SERVICE  INSTANCES  PASSING\norders   1          1\n');

    expect(await stopped(register)).toBe(0);
    expect(register.console.out).toContain('deregistered orders');
    expect(await ls(['orders'], env)).toEqual([]);
    await watch.console.shows(' - orders-127.0.0.1-8080');
    await json.console.shows('"change":"removed"');
    expect([await stopped(watch), await stopped(json)]).toEqual([0, 0]);
    const changes = json.console.lines.map((line) => JSON.parse(line) as { change: string; time: string });
    expect(changes.map(({ change }) => change)).toEqual(['state', 'added', 'changed', 'removed']);
  });

  it('keeps namespaces apart', async () => {
    const env = registry();
    const register = start(['register', 'finance/eu/billing', '10.0.0.1:80', '--id', 'b1'], env);
    await register.console.shows('registered finance/eu/billing');
    expect(await ls(['billing'], env)).toEqual([]);
    expect(await ls(['finance/eu/billing'], env)).toMatchObject([
      { service: 'billing', namespace: 'finance', group: 'eu', id: 'b1' },
    ]);
    await stopped(register);
  });

  it('ends a watch quietly when nobody reads it any more', async () => {
    const watch = start(['watch', 'orders'], registry());
    await watch.console.shows('! live');
    watch.console.hangUp();
    expect(await watch.code).toBe(0);
    expect(watch.console.err).toBe('');
  });

  it('names records that cannot be used on standard error', async () => {
    const env = registry();
    const register = start(['register', 'orders', '127.0.0.1:1'], env);
    await register.console.shows('registered');
    const directory = env.PILOTFISH_REGISTRY.slice('file://'.length);
    writeFileSync(join(directory, 'default/default/orders/torn.json'), '{"v":1,');
    const { console, code } = start(['ls', 'orders', '--json'], env);
    expect(await code).toBe(0);
    expect(JSON.parse(console.out)).toHaveLength(1);
    expect(console.err).toMatch(/^warning: orders: record .*torn.* is not usable: /);
    await stopped(register);
  });

  it('shows what a server says without what would turn the direction of writing', async () => {
    let allowed = ['/v1/status/leader', '/v1/agent/self'];
    const { port } = await startApp(({ url = '' }, response) => {
      const isAllowed = allowed.includes(url);
      response.writeHead(isAllowed ? 200 : 403, { 'content-type': isAllowed ? 'application/json' : 'text/plain' });
      response.end(isAllowed ? '{"Config":{"Datacenter":"dc1"}}' : 'no\u202eway');
    });
    const env = { PILOTFISH_REGISTRY: `consul://127.0.0.1:${port}` };
    const register = start(['register', 'orders', '127.0.0.1:1'], env);
    await until('the refusal is told', () => register.console.err.includes('way'));
    await stopped(register);
    allowed = [];
    const refused = start(['ls', 'orders'], env);
    expect(await refused.code).toBe(69);
    expect(register.console.err).toMatch(/denied: consul \S+: 403 no\?way\n/);
    expect(refused.console.err).toContain(': 403 no?way\n');
  });

  it('lists what a static configuration says', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pilotfish-cli-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'c.yaml');
    writeFileSync(
      file,
      'registry: { type: static, static: { orders: ["10.0.0.1:80", { host: "::1", port: 81, zone: a }] } }',
    );
    expect(await ls(['orders', '-c', file], {})).toMatchObject([
      { id: '10.0.0.1:80', host: '10.0.0.1' },
      { id: '::1:81', host: '::1', zone: 'a' },
    ]);
  });

  it('ends with 69 where the registry cannot be reached', async () => {
    // A name that no file system takes: the directory can neither be made nor read.
    const env = { PILOTFISH_REGISTRY: `file://${tmpdir()}/${'x'.repeat(300)}` };
    for (const args of [['ls'], ['ls', 'a'], ['watch', 'a'], ['register', 'a', '127.0.0.1:1']]) {
      const { console, code } = start(args, env);
      expect([await code, console.out]).toEqual([69, '']);
      expect(console.err).toMatch(/^pilotfish: registry file: not reachable/);
    }
  });

  it('refuses to register where a registry takes no records, with 1', async () => {
    const { console, code } = start(['register', 'orders', '10.0.0.1:80'], { PILOTFISH_REGISTRY: 'static' });
    expect([await code, console.out]).toEqual([1, '']);
    expect(console.err).toContain('refused (unsupported)');
  });

  it('refuses a record that no registry would take, with 1', async () => {
    const { console, code } = start(['register', 'orders', '0.0.0.0:80'], registry());
    expect(await code).toBe(1);
    expect(console.err).toContain('refused (invalid)');
  });
});
