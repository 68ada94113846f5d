// Instances that are stopped (SIGSTOP) under load: their kernel goes on accepting connections, and nobody who calls them notices.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { request } from 'undici';
import { startAppProcess } from '../support/apps.ts';
import type { AppProcess } from '../support/apps.ts';
import { SteadyLoad } from '../support/load.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';

/** Longer than the load waits for an answer: a request that waits for its attempt's time to be over fails. */
const LONG = 'timeout: { request: 60s, attempt: 60s }';

async function callerOf(apps: readonly AppProcess[], upstream = LONG): Promise<RunningSidecar> {
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  const addresses = apps.map(({ port }) => `127.0.0.1:${port}`).join(', ');
  writeFileSync(
    file,
    `registry: { type: static, static: { orders: [${addresses}] } }\nupstreams: { orders: { ${upstream} } }\n`,
  );
  return startSidecar({}, ['-c', file]);
}

interface EndpointView {
  readonly address: string;
  readonly state: string;
  readonly why: string;
}

async function endpointOf(caller: RunningSidecar, app: AppProcess): Promise<EndpointView> {
  const { body } = await request(`http://127.0.0.1:${caller.admin.port}/upstreams`);
  const { upstreams } = (await body.json()) as { upstreams: { endpoints: EndpointView[] }[] };
  const found = upstreams.flatMap(({ endpoints }) => endpoints).find(({ address }) => address.endsWith(`:${app.port}`));
  if (found === undefined) throw new Error(`${app.name} is not listed`);
  return found;
}

async function available(caller: RunningSidecar): Promise<number> {
  const { body } = await request(`http://127.0.0.1:${caller.admin.port}/metrics`);
  return Number(/pilotfish_upstream_endpoints\{[^}]*state="available"[^}]*\} (\d+)/.exec(await body.text())?.[1] ?? 0);
}

describe('under 200 requests a second', () => {
  it(
    'a copy that is stopped costs no request, is left out, and is back when it goes on',
    { timeout: 120_000 },
    async () => {
      const apps = await Promise.all(['a', 'b', 'c'].map((name) => startAppProcess(name)));
      const [, b] = apps as [AppProcess, AppProcess, AppProcess];
      const caller = await callerOf(apps);
      const load = new SteadyLoad(caller.outbound.port, 'orders', 200, 'PUT');
      await until('the load is on', () => load.count > 400);
      b.child.kill('SIGSTOP');
      await until('it is left out', async () =>
        (await endpointOf(caller, b)).why.includes('answered nothing any more'),
      );
      const before = load.count;
      await until('the load went on', () => load.count > before + 600);
      expect((await endpointOf(caller, b)).state).toBe('ejected');
      b.child.kill('SIGCONT');
      await until('it is back', async () => (await endpointOf(caller, b)).state === 'available');
      const { failures } = await load.stop();
      expect(failures).toEqual([]);
    },
  );

  it('an app that is stopped behind its running sidecar costs no request', { timeout: 120_000 }, async () => {
    const registry = `file://${temporaryDirectory()}/registry`;
    const file = join(temporaryDirectory(), 'pilotfish.yaml');
    writeFileSync(file, `upstreams: { orders: { ${LONG} } }\n`);
    const startCopy = async (name: string): Promise<AppProcess> => {
      const app = await startAppProcess(name);
      const env = { PILOTFISH_SERVICE: 'orders', PILOTFISH_ID: name, PILOTFISH_APP: `127.0.0.1:${app.port}` };
      await startSidecar({ PILOTFISH_REGISTRY: registry, ...env, PILOTFISH_HEALTH: '/' });
      return app;
    };
    const [apps, caller] = await Promise.all([
      Promise.all(['a', 'b', 'c'].map(startCopy)),
      startSidecar({ PILOTFISH_REGISTRY: registry }, ['-c', file]),
    ]);
    await until('all are seen', async () => (await available(caller)) === 3, { withinMs: 30_000 });
    const load = new SteadyLoad(caller.outbound.port, 'orders', 200, 'PUT');
    await until('the load is on', () => load.count > 400);
    apps[1]?.child.kill('SIGSTOP');
    const before = load.count;
    await until('the load went on', () => load.count > before + 600);
    expect((await load.stop()).failures).toEqual([]);
  });
});

describe('a route that takes two seconds among fast ones', () => {
  it('is executed once, on an app that answers others meanwhile', { timeout: 120_000 }, async () => {
    const apps = await Promise.all(['a', 'b', 'c'].map((name) => startAppProcess(name, { SLOW_MS: '2000' })));
    const caller = await callerOf(apps);
    const get = async (path: string): Promise<string> => {
      const { body } = await request(`http://127.0.0.1:${caller.outbound.port}${path}`, {
        headers: { host: 'orders' },
      });
      return body.text();
    };
    for (let count = 0; count < 40; count++) await get('/fast');
    const name = await get('/slow');
    expect(['a', 'b', 'c']).toContain(name);
    const executed = await Promise.all(
      apps.map(async ({ port }) => (await request(`http://127.0.0.1:${port}/executed`)).body.text()),
    );
    expect(executed.map(Number).reduce((sum, count) => sum + count)).toBe(1);
  });
});
