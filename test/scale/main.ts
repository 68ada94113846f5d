// `npm run scale`: real etcd and Consul with more in them than a sidecar usually sees. Writes docs/scale.md where all was run.
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { page, type Run } from './page.ts';
import { OPENERS, type ScaleRegistry } from './registries.ts';
import { restartUnderAll, type StormPlan, type Stormed } from './storm.ts';
import { watchMuch, type Watched, type WatchPlan } from './watching.ts';

const HELP = `npm run scale -- [options]

  --only etcd,consul   registries
  --plans a,b          wide (1,000 services of 10), deep (one service of 5,000), storm (200 adapters, a restart)
  --quick              a tenth of the size: a look, never written
  --json FILE          the figures; of several runs, --page FILE,FILE makes one page and measures nothing
  --write              writes docs/scale.md although not everything ran
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(OPENERS).join(',') },
    plans: { type: 'string', default: 'wide,deep,storm' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    json: { type: 'string' },
    page: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const earlier = values.page?.split(',').map((file) => JSON.parse(readFileSync(file, 'utf8')) as Run) ?? [];
const plans = values.plans.split(',');
const factor = values.quick ? 0.1 : 1;
const time = { restS: 8, singles: 80, manyS: 10 };
const WIDE: WatchPlan = { title: '1,000 services × 10', services: 1_000 * factor, instances: 10, ...time };
const DEEP: WatchPlan = { title: '1 service × 5,000', services: 1, instances: 5_000 * factor, ...time };
const STORM: StormPlan = { adapters: 200 * factor, processes: 4, ttlMs: 12_000, awayMs: 5_000 };

const startedMs = performance.now();
const startedLoad = loadavg()[0] ?? 0;
const watched: Watched[] = earlier.flatMap((run) => run.watched);
const stormed: Stormed[] = earlier.flatMap((run) => run.stormed);
for (const name of values.page === undefined ? values.only.split(',') : []) {
  const open = OPENERS[name];
  if (open === undefined) throw new Error(`--only ${name}: expected some of ${Object.keys(OPENERS).join(',')}`);
  if (plans.includes('wide')) await withFresh(open, async (one) => watched.push(await watchMuch(one, WIDE)));
  if (plans.includes('deep')) await withFresh(open, async (one) => watched.push(await watchMuch(one, DEEP)));
  if (plans.includes('storm')) await withFresh(open, async (one) => stormed.push(await restartUnderAll(one, STORM)));
}

const own = {
  command: commandOf(process.argv),
  startedLoad,
  seconds: Math.round((performance.now() - startedMs) / 1_000),
};
const run: Run = { watched, stormed, facts: earlier.length === 0 ? [own] : earlier.flatMap(({ facts }) => facts) };
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(run));
const text = page(run);
process.stdout.write(text);
if ((process.argv.length === 2 || values.write) && !values.quick) {
  writeFileSync(fileURLToPath(new URL('../../../../docs/scale.md', import.meta.url)), text);
}
process.exit(0);

function commandOf([, , ...words]: readonly string[]): string {
  return ['npm run scale', ...(words.length > 0 ? ['--', ...words] : [])].join(' ');
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
