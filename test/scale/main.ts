// `npm run scale`: real etcd, Consul and Nacos with more in them than a sidecar usually sees. Writes docs/scale.md where all was run.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beginRun } from './facts.ts';
import { commandText, HELP, readOptions, type Options } from './options.ts';
import { page, type Run } from './page.ts';
import { OPENERS, type ScaleRegistry } from './registries.ts';
import { restartUnderAll, type StormPlan, type Stormed } from './storm.ts';
import { watchMuch, type Watched, type WatchPlan } from './watching.ts';

const PAGE = fileURLToPath(new URL('../../../../docs/scale.md', import.meta.url));

const argv = process.argv.slice(2);
const options = readOptions(argv, Object.keys(OPENERS));
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const command = commandText(argv);
const run = options.page === undefined ? await measure(options) : joined(options.page);
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(run));
const text = page(run, options.page === undefined ? undefined : command);
process.stdout.write(text);
if ((options.isWhole || options.write) && !run.facts.some(({ isQuick }) => isQuick)) writeFileSync(PAGE, text);
process.exit(0);

async function measure({ registries, plans, isQuick }: Options): Promise<Run> {
  const facts = beginRun(command, isQuick);
  const factor = isQuick ? 0.1 : 1;
  const time = { restS: 8, singles: 80, manyS: 10 };
  const wide: WatchPlan = { services: 1_000 * factor, instances: 10, ...time };
  const deep: WatchPlan = { services: 1, instances: 5_000 * factor, ...time };
  const storm: StormPlan = { adapters: 200 * factor, processes: 4, ttlMs: 12_000, awayMs: 5_000 };
  const watched: Watched[] = [];
  const stormed: Stormed[] = [];
  for (const [name, open] of Object.entries(OPENERS)) {
    if (!registries.includes(name)) continue;
    if (plans.includes('wide'))
      await withFresh(
        () => open(false),
        async (one) => watched.push(await watchMuch(one, wide)),
      );
    if (plans.includes('deep'))
      await withFresh(
        () => open(false),
        async (one) => watched.push(await watchMuch(one, deep)),
      );
    if (plans.includes('storm'))
      await withFresh(
        () => open(true),
        async (one) => stormed.push(await restartUnderAll(one, storm)),
      );
  }
  return { watched, stormed, facts: [facts()] };
}

/** The figures of earlier runs as if they were one. */
function joined(files: readonly string[]): Run {
  const runs = files.map((file) => {
    const one = JSON.parse(readFileSync(file, 'utf8')) as Partial<Run>;
    if (one.facts?.every(({ machine }: Partial<Run['facts'][number]>) => machine !== undefined)) return one as Run;
    throw new Error(`${file}: not written by --json of this version`);
  });
  return {
    watched: runs.flatMap(({ watched }) => watched),
    stormed: runs.flatMap(({ stormed }) => stormed),
    facts: runs.flatMap(({ facts }) => facts),
  };
}

/** A registry of its own for each plan: what one leaves there is no part of the next. */
async function withFresh(open: () => Promise<ScaleRegistry>, work: (registry: ScaleRegistry) => Promise<unknown>) {
  const registry = await open();
  try {
    await work(registry);
  } finally {
    await registry.close();
  }
}
