// Who gets a request, through a real sidecar: hashing, sticky sessions, zones, priority levels, subsets.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp, type App } from '../support/apps.ts';
import { startSidecar, temporaryDirectory, type RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';

/** Copies `a` to `d`: two zones, two versions, the last one a standby. */
const COPIES = [
  { name: 'a', fields: 'zone: eu-1a, metadata: { version: "1" }' },
  { name: 'b', fields: 'zone: eu-1a, metadata: { version: "2" }' },
  { name: 'c', fields: 'zone: eu-1b, metadata: { version: "2" }' },
  { name: 'd', fields: 'zone: eu-1b, metadata: { version: "2", priority: "1" }' },
];

/** One service under many names, each called in its own way. */
const UPSTREAMS = `
  ring: { balancer: { policy: ring-hash, hash: [{ header: x-user }] } }
  maglev: { balancer: { policy: maglev, hash: [{ header: x-user, terminal: true }, { cookie: key, ttl: 1h }] } }
  sticky: { sticky: { cookie: copy, ttl: 1h, secret: "of the test" }, outlier: { baseEjection: 30s } }
  near: { zone: { own: eu-1a } }
  two: { subset: { version: "2" } }
  none: { subset: { version: "3" } }
  ewma: { balancer: peak-ewma }
`;

interface Answer {
  readonly status: number;
  readonly from: string;
  readonly cookie: string | undefined;
}

async function start(): Promise<{ readonly sidecar: RunningSidecar; readonly apps: ReadonlyMap<string, App> }> {
  const apps = new Map<string, App>();
  for (const { name } of COPIES)
    apps.set(
      name,
      await startApp((incoming, response) => void incoming.resume().once('end', () => response.end(name))),
    );
  const list = COPIES.map(({ name, fields }) => `{ host: 127.0.0.1, port: ${apps.get(name)?.port ?? 0}, ${fields} }`);
  const upstreams = UPSTREAMS.split('\n')
    .map((line) => line.replace(/: \{ /, ': { service: { name: orders }, '))
    .join('\n');
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  writeFileSync(
    file,
    `registry: { type: static, static: { orders: [${list.join(', ')}] } }\nupstreams:\n${upstreams}\n`,
  );
  return { sidecar: await startSidecar({}, ['-c', file]), apps };
}

async function call(sidecar: RunningSidecar, upstream: string, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, {
    headers: { host: upstream, ...headers },
  });
  const cookie = answer.headers['set-cookie'];
  return {
    status: answer.statusCode,
    from: await answer.body.text(),
    cookie: Array.isArray(cookie) ? cookie[0] : cookie,
  };
}

/** How often each copy answers. */
async function spread(sidecar: RunningSidecar, upstream: string, calls: number): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (let n = 0; n < calls; n++) {
    const { from } = await call(sidecar, upstream, { 'x-user': `user-${n}` });
    found.set(from, (found.get(from) ?? 0) + 1);
  }
  return found;
}

interface Described {
  readonly group?: string;
  readonly share: number;
  readonly priority: number;
  readonly effectiveWeight: number;
  readonly why: string;
  readonly zone?: string;
  readonly address: string;
}

type Apps = ReadonlyMap<string, App>;

/** What `/upstreams` says of these copies. */
async function described(
  sidecar: RunningSidecar,
  apps: Apps,
  upstream: string,
  names: readonly string[],
): Promise<(Described | undefined)[]> {
  const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}/upstreams`);
  const { upstreams } = (await body.json()) as { upstreams: { name: string; endpoints: Described[] }[] };
  const endpoints = upstreams.find(({ name }) => name === upstream)?.endpoints ?? [];
  return names.map((name) => endpoints.find(({ address }) => address === `127.0.0.1:${apps.get(name)?.port ?? 0}`));
}

describe('a sidecar', () => {
  it('sends a user to the same copy, under both hashing policies, and users to all copies of the level in use', async () => {
    const { sidecar } = await start();
    for (const upstream of ['ring', 'maglev']) {
      expect([...(await spread(sidecar, upstream, 120)).keys()].sort()).toEqual(['a', 'b', 'c']);
      for (const user of ['ann', 'bob', 'cid']) {
        const { from } = await call(sidecar, upstream, { 'x-user': user });
        for (let n = 0; n < 5; n++) expect((await call(sidecar, upstream, { 'x-user': user })).from).toBe(from);
      }
    }
  });

  it('makes a cookie for a client without a key, and hashes it from the first request on', async () => {
    const { sidecar } = await start();
    const first = await call(sidecar, 'maglev');
    expect(first.cookie).toMatch(/^key=[\w-]{16}; Max-Age=3600; Path=\/; HttpOnly; SameSite=Lax$/);
    const cookie = first.cookie?.split(';')[0] ?? '';
    for (let n = 0; n < 10; n++) {
      expect(await call(sidecar, 'maglev', { cookie })).toEqual({ status: 200, from: first.from, cookie: undefined });
    }
  });

  it('keeps a session at one copy by a cookie that does not tell which, until the copy has gone', async () => {
    const { sidecar, apps } = await start();
    const first = await call(sidecar, 'sticky');
    const cookie = first.cookie?.split(';')[0] ?? '';
    expect(cookie).toMatch(/^copy=[\w-]{16}$/);
    for (const app of apps.values())
      expect(Buffer.from(cookie.slice(5), 'base64url').toString('latin1')).not.toContain(String(app.port));
    for (let n = 0; n < 20; n++) {
      expect(await call(sidecar, 'sticky', { cookie: `x=1; ${cookie}` })).toEqual({ ...first, cookie: undefined });
    }
    const { server } = apps.get(first.from) ?? {};
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
    const next = await call(sidecar, 'sticky', { cookie });
    expect([next.status, next.from === first.from]).toEqual([200, false]);
    expect(next.cookie?.split(';')[0]).not.toBe(cookie);
    const after = await call(sidecar, 'sticky', { cookie: next.cookie?.split(';')[0] ?? '' });
    expect(after).toEqual({ ...next, cookie: undefined });
  });

  it('stays in its zone, goes elsewhere when nobody there is left, and says so', async () => {
    const { sidecar, apps } = await start();
    expect([...(await spread(sidecar, 'near', 60)).keys()].sort()).toEqual(['a', 'b']);
    const [a, c, d] = await described(sidecar, apps, 'near', ['a', 'c', 'd']);
    expect([a?.group, a?.share, c?.share, d?.priority]).toEqual(['priority 0, our zone', 0.5, 0, 1]);
    expect(c?.why).toBe('in another zone: picked when nobody in ours is left, priority 0');
    expect(d?.why).toBe('priority 1: stands by while a lower one is healthy');
    for (const name of ['a', 'b']) {
      const { server } = apps.get(name) ?? {};
      server?.closeAllConnections();
      await new Promise((resolve) => server?.close(resolve));
    }
    await until('requests leave the zone', async () => {
      const { status, from } = await call(sidecar, 'near');
      expect(status).toBe(200);
      return from === 'c' || from === 'd';
    });
  });

  it('calls the copies of a subset alone, and nobody where there are none', async () => {
    const { sidecar, apps } = await start();
    expect([...(await spread(sidecar, 'two', 60)).keys()].sort()).toEqual(['b', 'c']);
    expect((await described(sidecar, apps, 'two', ['a']))[0]?.why).toBe('not picked: not in the subset version=2');
    expect((await call(sidecar, 'none')).status).toBe(503);
  });

  it('balances by expected time', async () => {
    const { sidecar } = await start();
    expect([...(await spread(sidecar, 'ewma', 200)).values()].reduce((sum, count) => sum + count, 0)).toBe(200);
  });
});
