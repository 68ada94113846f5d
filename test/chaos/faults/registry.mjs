// Faults of the registry: killed, empty, halved, cut to 3 %, changing all the time.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from '../../bench/json.mjs';
import { output } from '../../bench/processes.mjs';
import { atMost, nothingFailed } from '../bars.mjs';
import { growthBar, growthDuring } from '../memory.mjs';
import { REGISTRIES } from '../registries/index.mjs';
import { appliesOf, endpointsOf, loopDelayMs } from '../sidecar.mjs';
import { underLoad } from '../steady.mjs';

const FLAPPER = fileURLToPath(new URL('../flap.mjs', import.meta.url));
const CHANGES_PER_SECOND = 1_000;
/** Until the last list has arrived. */
const LAST_LIST_MS = 1_000;

/** A hundred endpoints that three could not stand in for: each takes two requests at a time, of 20 ms. */
const HUNDRED = { copies: 2, ports: 50 };
const CAPACITY = { limit: 2, delayMs: 20 };
const HALF = 50;

/**
 * The same fault on each registry.
 * @param {(registry: import('../registries/index.mjs').RegistryKind) => Omit<import('./index.mjs').Fault, 'needsRegistry' | 'missing'>} fault
 * @param {import('../registries/index.mjs').RegistryKind['id']} short  the one that is part of the short form
 * @returns {import('./index.mjs').Fault[]}
 */
function onEach(fault, short) {
  return REGISTRIES.map((registry) => {
    const one = fault(registry);
    return {
      ...one,
      shortSeconds: registry.id === short ? one.shortSeconds : undefined,
      id: `${one.id}-${registry.id}`,
      title: `${one.title} (${registry.title})`,
      needsRegistry: true,
      missing: registry.missing,
      setting: { ...one.setting, registry: (where) => registry.open(where) },
    };
  });
}

/** What the stage holds, as this file has put it there. @param {import('../stage.mjs').Stage} stage */
function registryOf(stage) {
  return /** @type {import('../registries/index.mjs').Broken} */ (stage.registry);
}

export const registryKilled = onEach(
  () => ({
    id: 'registry-killed',
    title: 'The registry killed',
    what: 'The registry is gone (the server killed −9, the directory moved away) and does not come back.',
    seconds: 20,
    shortSeconds: 2,
    play: async (stage, seconds) =>
      (await underLoad(stage, { seconds, strike: () => registryOf(stage).kill() })).figures,
    bars: nothingFailed,
  }),
  'etcd',
);

export const emptied = onEach(
  () => ({
    id: 'registry-empty',
    title: 'The list empty',
    what: 'All records vanish at once; the copies live on.',
    seconds: 20,
    shortSeconds: 2,
    play: async (stage, seconds) =>
      (await underLoad(stage, { seconds, strike: () => registryOf(stage).keepOnly(0) })).figures,
    bars: nothingFailed,
  }),
  'file',
);

/** Half is the most that the guard believes at once: traffic has to leave the others with no request lost. */
export const halved = onEach(
  () => ({
    id: 'registry-halved',
    title: 'The list halved',
    what:
      `Of a hundred records ${HALF} stay; all copies live on, and take ${CAPACITY.delayMs} ms for a request: those that ` +
      'leave the list have some under way.',
    setting: HUNDRED,
    seconds: 20,
    shortSeconds: 3,
    async play(stage, seconds) {
      await Promise.all(stage.copies.map((copy) => copy.tell({ delayMs: CAPACITY.delayMs })));
      return (await underLoad(stage, { seconds, strike: () => registryOf(stage).keepOnly(HALF) })).figures;
    },
    bars: nothingFailed,
  }),
  'etcd',
);

export const cut = onEach(
  () => ({
    id: 'registry-cut',
    title: 'The list cut to 3 %',
    what:
      'Of a hundred records three stay; all copies live on, and three of them could not bear the load: each takes ' +
      `${CAPACITY.limit} requests at a time and ${CAPACITY.delayMs} ms for each.`,
    setting: HUNDRED,
    seconds: 30,
    shortSeconds: 4,
    async play(stage, seconds) {
      await Promise.all(stage.copies.map((copy) => copy.tell(CAPACITY)));
      return (await underLoad(stage, { seconds, strike: () => registryOf(stage).keepOnly(3) })).figures;
    },
    bars: nothingFailed,
  }),
  'etcd',
);

export const flapping = onEach(
  ({ id }) => ({
    id: 'registry-flapping',
    title: `${CHANGES_PER_SECOND.toLocaleString('en')} changes a second`,
    what:
      '300 instances on three copies; half of the changes take one away or bring it back, the others change a weight. ' +
      'Memory is judged after the first third, in which heap and compiler warm up.',
    setting: { copies: 3, ports: 100 },
    seconds: 30,
    shortSeconds: 5,
    async play(stage, seconds) {
      const { adminPort, endpoints, pid } = stage;
      const facts = { changesShort: 0, applies: 0, loopMs: 0, missing: 0, growth: 0 };
      const { figures } = await underLoad(stage, {
        seconds,
        async strike() {
          const plan = {
            registry: id,
            where: registryOf(stage).flapArgument,
            endpoints,
            perSecond: CHANGES_PER_SECOND,
            seconds,
          };
          await loopDelayMs(adminPort);
          const before = { applies: await appliesOf(adminPort), atMs: performance.now() };
          const argv = [process.execPath, FLAPPER, JSON.stringify(plan)];
          const flap = () => output(argv, stage.cores.load, seconds * 1_000 + 20_000);
          const [text, growth] = await growthDuring(pid, seconds, flap);
          facts.growth = growth;
          /** @type {{ changes: number, seconds: number }} */
          const made = parse(text);
          facts.loopMs = await loopDelayMs(adminPort);
          facts.applies = ((await appliesOf(adminPort)) - before.applies) / ((performance.now() - before.atMs) / 1_000);
          facts.changesShort = Math.max(0, 1 - made.changes / made.seconds / CHANGES_PER_SECOND);
          await sleep(LAST_LIST_MS);
          facts.missing = endpoints.length - (await endpointsOf(adminPort));
        },
      });
      Object.assign(figures.facts, facts);
      return figures;
    },
    bars: (figures) => [
      ...nothingFailed(figures),
      atMost('changes short of the plan, in percent', figures.facts.changesShort * 100, 5, '%'),
      atMost('lists applied a second', figures.facts.applies, 50),
      atMost('p99 of the event loop’s delay', figures.facts.loopMs, 20, 'ms'),
      growthBar(figures.facts.growth),
      atMost('instances missing in the end', figures.facts.missing, 0),
    ],
  }),
  'file',
);
