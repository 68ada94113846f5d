// Runs every case on every registry: the short form in `npm test`, the full one, with the published table, in `npm run conformance`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Registry } from '../../src/registry/registry.ts';
import { endActors, removeCompiledActor } from './actor-process.ts';
import { REGISTRATION_CASES } from './cases-registration.ts';
import { TRANSPORT_CASES } from './cases-transport.ts';
import { WATCH_CASES } from './cases-watch.ts';
import { consulHarnesses } from './consul-harness.ts';
import { etcdHarnesses } from './etcd-harness.ts';
import { fileHarness } from './file-harness.ts';
import { SCALE, type Case, type Harness, type Space } from './harness.ts';
import { nacosHarnesses } from './nacos-harness.ts';
import { cannotApply, conformancePage, resultKey, type Result } from './report.ts';

const HARNESSES: readonly Harness[] = [
  fileHarness,
  ...(await etcdHarnesses()),
  ...(await consulHarnesses()),
  ...(await nacosHarnesses()),
];
const CASES: readonly Case[] = [...REGISTRATION_CASES, ...WATCH_CASES, ...TRANSPORT_CASES];
const root = fileURLToPath(new URL('../../', import.meta.url));
const results = new Map<string, Result>();

for (const harness of HARNESSES) {
  describe.concurrent(harness.title, () => {
    beforeAll(() => harness.start?.(), 300_000);
    for (const one of CASES) {
      const why = cannotApply(one, harness);
      if (why !== undefined) {
        results.set(resultKey(one, harness), { end: 'cannot', why });
        test(`${one.id} ${one.title}`, (context) => context.skip(`cannot apply: ${why}`));
        continue;
      }
      test(`${one.id} ${one.title}`, { timeout: 180_000 }, async () => {
        const { space, closeOpened } = remembering(await harness.space({ needs: one.needs }));
        const start = performance.now();
        try {
          await one.run(space, harness);
          results.set(resultKey(one, harness), { end: 'passed', tookMs: performance.now() - start });
        } catch (error) {
          const text = error instanceof Error ? error.message : String(error);
          results.set(resultKey(one, harness), { end: 'failed', why: `${one.id}: ${text.slice(0, 300)}` });
          throw error;
        } finally {
          endActors(space);
          await closeOpened();
          await space.close();
        }
      });
    }
  });
}

/** A space that knows what was opened on it: a case that fails must leave nothing that keeps on trying beside all others. */
function remembering(space: Space): { readonly space: Space; readonly closeOpened: () => Promise<void> } {
  const opened: Registry[] = [];
  const open: Space['open'] = async (context) => {
    const registry = await space.open(context);
    opened.push(registry);
    return registry;
  };
  return {
    space: { ...space, open },
    closeOpened: async () => {
      await Promise.all(opened.map((registry) => registry.close()));
    },
  };
}

afterAll(async () => {
  removeCompiledActor();
  for (const harness of HARNESSES) await harness.close?.();
  for (const harness of HARNESSES) {
    for (const one of CASES) {
      const result = results.get(resultKey(one, harness));
      if (result?.end === 'cannot') console.log(`${harness.title}: ${one.id} cannot apply: ${result.why}`);
    }
  }
  if (!SCALE.isFull) return;
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };
  mkdirSync(`${root}docs`, { recursive: true });
  const facts = { at: new Date().toISOString().slice(0, 16).replace('T', ' '), node: process.versions.node, version };
  writeFileSync(`${root}docs/conformance.md`, conformancePage(CASES, HARNESSES, results, facts));
});
