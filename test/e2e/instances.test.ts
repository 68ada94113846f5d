// Instances that die, restart and leave under load: nobody who calls them notices.
import { describe, expect, it } from 'vitest';
import { request } from 'undici';
import { startAppProcess } from '../support/apps.ts';
import { SteadyLoad } from '../support/load.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';

async function startCopy(registry: string, name: string, env: Readonly<Record<string, string>> = {}) {
  const app = await startAppProcess(name, env);
  const sidecar = await startSidecar({
    PILOTFISH_REGISTRY: registry,
    PILOTFISH_SERVICE: 'orders',
    PILOTFISH_ID: name,
    PILOTFISH_APP: `127.0.0.1:${app.port}`,
    PILOTFISH_HEALTH: '/',
    PILOTFISH_TTL: '3s',
  });
  return { app, sidecar };
}

async function endpoints(sidecar: RunningSidecar): Promise<number> {
  const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}/metrics`);
  const text = await body.text();
  return Number(
    /pilotfish_upstream_endpoints\{[^}]*upstream="orders"[^}]*state="available"[^}]*\} (\d+)/.exec(text)?.[1] ?? 0,
  );
}

async function callsUntilSeen(caller: RunningSidecar, copies: number): Promise<void> {
  await until(`${copies} copies are seen`, async () => {
    const { body } = await request(`http://127.0.0.1:${caller.outbound.port}/`, { headers: { host: 'orders' } });
    await body.dump();
    return (await endpoints(caller)) === copies;
  });
}

describe('under 400 requests a second', () => {
  it('a copy killed with its sidecar costs no request', async () => {
    const registry = `file://${temporaryDirectory()}/registry`;
    const [a, b, c, caller] = await Promise.all([
      startCopy(registry, 'a'),
      startCopy(registry, 'b'),
      startCopy(registry, 'c'),
      startSidecar({ PILOTFISH_REGISTRY: registry }),
    ]);
    await callsUntilSeen(caller, 3);
    // PUT is idempotent: one that meets the kill is sent again. A POST of which bytes were sent must not be.
    const load = new SteadyLoad(caller.outbound.port, 'orders', 400, 'PUT');
    await until('the load is on', () => load.count > 800);
    b.sidecar.child.kill('SIGKILL');
    b.app.child.kill('SIGKILL');
    const before = load.count;
    await until('the load went on', () => load.count > before + 1_200);
    const result = await load.stop();
    expect(result.failures).toEqual([]);
    expect([...result.byBody.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect([a.sidecar.child.exitCode, c.sidecar.child.exitCode]).toEqual([null, null]);
  });

  it('a called sidecar told to stop costs no request, leaves the registry and exits with 0', async () => {
    const registry = `file://${temporaryDirectory()}/registry`;
    const [a, , caller] = await Promise.all([
      startCopy(registry, 'a'),
      startCopy(registry, 'b'),
      startSidecar({ PILOTFISH_REGISTRY: registry }),
    ]);
    await callsUntilSeen(caller, 2);
    const load = new SteadyLoad(caller.outbound.port, 'orders', 400);
    await until('the load is on', () => load.count > 400);
    a.sidecar.child.kill('SIGTERM');
    expect(await a.sidecar.exited).toBe(0);
    const before = load.count;
    await until('the load went on', () => load.count > before + 400);
    const result = await load.stop();
    expect(result.failures).toEqual([]);
    expect(await endpoints(caller)).toBe(1);
  });

  it('an app that closes idle connections after 5 ms, as it announces, costs no request', async () => {
    const registry = `file://${temporaryDirectory()}/registry`;
    const [, caller] = await Promise.all([
      startCopy(registry, 'a', { KEEP_ALIVE_MS: '5' }),
      startSidecar({ PILOTFISH_REGISTRY: registry }),
    ]);
    await callsUntilSeen(caller, 1);
    const load = new SteadyLoad(caller.outbound.port, 'orders', 200);
    await until('the load went on', () => load.count > 1_000);
    expect((await load.stop()).failures).toEqual([]);
  });
});
