// A registry that is killed, paused, emptied or gone for good while two sidecars carry a steady load: no request may fail.
// Each registry has a file of its own that runs these, so that they wait beside each other. `npm run outage` is the long form:
// one after the other, a minute for each outage, 400 requests a second, their figures in docs/outages.md.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceKey } from '../../../src/registry/types.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { SteadyLoad, type LoadResult } from '../../support/load.ts';
import { OutageReport } from '../../support/outage-report.ts';
import type { BreakableRegistry, Candidate } from '../../support/servers/outage.ts';
import {
  adminJson,
  pickedBy,
  readinessOf,
  registrationOf,
  SERVICE,
  startTopology,
  TTL_MS,
  type Copy,
} from '../../support/topology.ts';
import { until } from '../../support/until.ts';

const isLong = process.env['PILOTFISH_TEST_OUTAGE'] === 'long';
const OUTAGE_S = isLong ? 60 : 5;
const PER_SECOND = isLong ? 400 : 200;
/** A record is back within this long after the registry answers again. */
const BACK_MS = 5_000;

/** Waits until so many seconds' worth of further requests have been answered. */
async function loadGoesOn(load: SteadyLoad, seconds: number): Promise<void> {
  const wanted = load.count + seconds * PER_SECOND * 0.9;
  await until('the load goes on', () => load.count >= wanted, { withinMs: seconds * 4_000 + 10_000, everyMs: 50 });
}

/** Ids in the registry, past all sidecars; a dead one that is listed as such is none. */
async function idsIn(registry: Registry): Promise<string> {
  const { instances } = await registry.read(serviceKey(SERVICE), AbortSignal.timeout(2_000));
  return instances
    .filter(({ health }) => health !== 'critical')
    .map(({ id }) => id)
    .join();
}

/** How long until the records of both are there, each once, and both sidecars know it; at most `BACK_MS`, in ms. */
async function bothAreBack(registry: Registry, copies: readonly Copy[]): Promise<number> {
  const startMs = performance.now();
  const isBack = async (): Promise<boolean> => {
    const states = await Promise.all(copies.map(registrationOf));
    return states.every((state) => state === 'registered') && (await idsIn(registry).catch(() => '')) === 'a,b';
  };
  await until('own records are back, each once', isBack, { withinMs: BACK_MS, everyMs: 20 });
  return performance.now() - startMs;
}

function expectNoFailure({ failures, sent, byBody }: LoadResult): void {
  expect(failures).toEqual([]);
  expect(sent).toBeGreaterThan(PER_SECOND);
  expect([...byBody.keys()].sort()).toEqual(['a', 'b']);
}

const OUTAGES: readonly {
  readonly what: string;
  readonly bring: (registry: BreakableRegistry, load: SteadyLoad) => Promise<void>;
}[] = [
  {
    what: `killed −9 for ${OUTAGE_S} s`,
    bring: async (registry, load) => {
      await registry.kill();
      await loadGoesOn(load, OUTAGE_S);
      await registry.restart();
    },
  },
  {
    what: `paused (SIGSTOP) for ${OUTAGE_S} s`,
    bring: async (registry, load) => {
      await registry.freeze();
      await loadGoesOn(load, OUTAGE_S);
      await registry.thaw();
    },
  },
  {
    what: 'restarted with nothing of its data',
    bring: (registry) => registry.wipe(),
  },
];

/** All outages of one registry; undefined: there is none to test with, which has been told. */
export function outagesOf(candidate: Candidate | undefined): void {
  if (candidate === undefined) {
    it.skip('its outages', () => undefined);
    return;
  }
  describe(candidate.title, () => {
    const report = new OutageReport(candidate.title, { outageS: OUTAGE_S, perSecond: PER_SECOND });
    let server: BreakableRegistry;
    let registry: Registry;

    beforeAll(async () => {
      server = await candidate.start();
      registry = await server.open();
    }, 400_000); // Nacos is a minute late on a busy machine.

    afterAll(async () => {
      await registry.close();
      await server.close();
      report.write(isLong);
    });

    it.each(OUTAGES)(
      '$what: no request fails, own records are back, each once',
      { timeout: 180_000 },
      async ({ what, bring }) => {
        const { a, b, caller } = await startTopology(server.url);
        const load = new SteadyLoad(caller.outbound.port, SERVICE, PER_SECOND);
        await loadGoesOn(load, 1);
        await bring(server, load);
        const backMs = await bothAreBack(registry, [a, b]);
        await loadGoesOn(load, 2);
        await until('the caller is ready again', async () => (await readinessOf(caller)) === 'ready', {
          withinMs: 15_000,
        });
        const result = await load.stop();
        report.outage(what, result, { backMs });
        expectNoFailure(result);
        await Promise.all([a, b].map(({ sidecar }) => stop(sidecar)));
      },
    );

    it(
      'a killed copy: not picked any more, and out of the registry within TTL + detection',
      { timeout: 120_000 },
      async () => {
        const { a, b, caller } = await startTopology(server.url);
        const { capabilities } = (await adminJson(caller, '/registry')) as { capabilities: { detectWithinMs: number } };
        // PUT is idempotent: one that meets the kill is sent again. A POST of which bytes were sent must not be.
        const load = new SteadyLoad(caller.outbound.port, SERVICE, PER_SECOND, 'PUT');
        await loadGoesOn(load, 1);
        b.sidecar.child.kill('SIGKILL');
        b.app.child.kill('SIGKILL');
        const startMs = performance.now();
        const withinMs = TTL_MS + capabilities.detectWithinMs;
        await until('it is not picked', async () => (await pickedBy(caller)) === 'a', { withinMs, everyMs: 5 });
        const notPickedMs = performance.now() - startMs;
        await until('it is out of the registry', async () => (await idsIn(registry)) === 'a', {
          withinMs: withinMs - notPickedMs,
        });
        const goneMs = performance.now() - startMs;
        await loadGoesOn(load, 1);
        const result = await load.stop();
        report.outage('a copy and its sidecar killed −9', result, { notPickedMs, goneMs });
        expectNoFailure(result);
        await stop(a.sidecar);
      },
    );

    it('a sidecar started while the registry hangs: ready from its snapshot', { timeout: 120_000 }, async () => {
      const { topology, a, b, caller } = await startTopology(server.url);
      await stop(caller);
      await server.freeze();
      try {
        const { sidecar, readyMs } = await untilDegraded(() => topology.caller());
        const load = new SteadyLoad(sidecar.outbound.port, SERVICE, PER_SECOND);
        await loadGoesOn(load, 2);
        const result = await load.stop();
        report.outage('a sidecar started while it hangs', result, { readyMs });
        expectNoFailure(result);
      } finally {
        await server.thaw();
      }
      await Promise.all([a, b].map((copy) => stop(copy.sidecar)));
    });

    // The last one: the server stays dead.
    it(
      'gone for good: no request fails; sidecars restarted meanwhile are ready from their snapshot',
      { timeout: 240_000 },
      async () => {
        const { topology, a, b, caller } = await startTopology(server.url);
        const before = new SteadyLoad(caller.outbound.port, SERVICE, PER_SECOND);
        await loadGoesOn(before, 1);
        await server.kill();
        await loadGoesOn(before, OUTAGE_S);
        await until(
          'it says that it works from what it knows',
          async () => (await readinessOf(caller)) === 'degraded',
          {
            withinMs: 15_000,
          },
        );
        const result = await before.stop();
        expectNoFailure(result);
        await stop(caller);

        const { sidecar: next, readyMs } = await untilDegraded(() => topology.caller());
        // PUT: who is stopped while the registry is away can tell nobody, so that a request may meet the end of its connection.
        const after = new SteadyLoad(next.outbound.port, SERVICE, PER_SECOND, 'PUT');
        await loadGoesOn(after, 1);
        // A copy is restarted where it was: nobody can be told, and nobody needs to be.
        await stop(a.sidecar);
        await topology.copy('a', a.app, `127.0.0.1:${a.sidecar.inbound?.port ?? 0}`);
        const calls = (): number => after.answersOf('a');
        const seen = calls();
        await until('the restarted copy is called again', () => calls() > seen, { withinMs: 60_000 });
        await loadGoesOn(after, OUTAGE_S);
        const later = await after.stop();
        report.outage('gone for good, sidecars restarted meanwhile', merge(result, later), {
          readyMs,
        });
        expectNoFailure(later);
        expect(b.sidecar.child.exitCode).toBeNull();
      },
    );
  });
}

/** A start whose first readiness is `degraded`, at most 1 s after its listeners are bound. */
async function untilDegraded<T extends Awaited<ReturnType<typeof startTopology>>['caller']>(
  start: () => Promise<T>,
): Promise<{ sidecar: T; readyMs: number }> {
  const sidecar = await start();
  const startMs = performance.now();
  await until('it is ready from its snapshot', async () => (await readinessOf(sidecar)) === 'degraded', {
    withinMs: 1_000,
    everyMs: 5,
  });
  return { sidecar, readyMs: performance.now() - startMs };
}

async function stop({ child, exited }: Copy['sidecar']): Promise<void> {
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
}

function merge(one: LoadResult, other: LoadResult): LoadResult {
  const latencies = [...one.latencies, ...other.latencies].sort((x, y) => x - y);
  return {
    sent: one.sent + other.sent,
    failures: [...one.failures, ...other.failures],
    latencies,
    byBody: other.byBody,
  };
}
