// A storm of clients: three times as many requests as the proxy can serve, from clients that wait a second and go.
import { setTimeout as sleep } from 'node:timers/promises';
import { treeDescriptors, treeRssBytes } from '../../bench/accounting.mjs';
import { atMost } from '../bars.mjs';
import { missingCpuShare, setCpuShare } from '../cpu-share.mjs';
import { growthBar, growthDuring } from '../memory.mjs';
import { executionsOf } from '../steady.mjs';
import { runClients } from './clients.mjs';

/** Of one core: little enough that a generator and the copies, on the other core, can ask three times as much and answer. */
const SHARE = 0.1;
const TIMES = 3;
const GIVE_UP_MS = 1_000;
/** After the storm, until it has to be as before. */
const REST_MS = 2_000;
/** Numbers of the storm's requests begin here: those before and after it have smaller ones. */
const FIRST = 1_000_000;
const CLOSED_LOOP = { perSecond: 0, connections: 64, giveUpMs: 5_000 };

/** @typedef {import('../clients/flood.mjs').Flooded} Flooded */

/** What a flood came to. @param {import('../stage.mjs').Stage} stage @param {Flooded} flooded */
export function floodFigures(stage, { sent, ok, refused, late, failed, p50Ms, p99Ms, p999Ms, maxMs }) {
  return {
    sent,
    ok,
    failedGet: sent - ok,
    failedPost: 0,
    failedUnsent: 0,
    twice: 0,
    extra: 0,
    p50Ms,
    p99Ms,
    p999Ms,
    maxMs,
    rssAfter: treeRssBytes(stage.pid),
    filesAfter: treeDescriptors(stage.pid),
    reasons: `${refused} × 503, ${late} × given up, ${failed} × closed`,
  };
}

/** @type {import('./index.mjs').Fault} */
export const storm = {
  id: 'storm',
  title: `${TIMES} × the capacity of the proxy`,
  what:
    `The proxy, warm, is held to ${SHARE * 100} % of a core; what it serves to 64 clients that ask one after the other is its peak. ` +
    `Then ${TIMES} times as many requests a second, open loop, whose clients go after ${GIVE_UP_MS / 1_000} s.`,
  setting: { isUrgent: false },
  missing: missingCpuShare,
  seconds: 30,
  async play(stage, seconds) {
    await runClients(stage, 'flood', { ...CLOSED_LOOP, seconds: stage.isShort ? 2 : 4 }); // at full speed: a peak is of warm code
    stage.atEnd(setCpuShare(stage.pid, SHARE));
    await runClients(stage, 'flood', { ...CLOSED_LOOP, seconds: 1 });
    const filesBefore = treeDescriptors(stage.pid);
    const rssBefore = treeRssBytes(stage.pid);
    /** @type {Flooded} */
    const calm = await runClients(stage, 'flood', { ...CLOSED_LOOP, seconds: stage.isShort ? 2 : 5 });
    const peak = calm.ok / calm.seconds;
    const perSecond = Math.round(TIMES * peak);
    const plan = { perSecond, seconds, connections: 4_000, giveUpMs: GIVE_UP_MS, first: FIRST };
    /** @type {() => Promise<Flooded>} */
    const flood = () => runClients(stage, 'flood', plan);
    const [flooded, growth] = await growthDuring(stage.pid, seconds, flood);
    await sleep(REST_MS);
    /** @type {Flooded} */
    const after = await runClients(stage, 'flood', { ...CLOSED_LOOP, seconds: 2 });
    const again = [...executionsOf(stage)].reduce((sum, [number, times]) => sum + (number < FIRST ? 0 : times - 1), 0);
    const facts = {
      dead: stage.isAlive ? 0 : 1,
      peak,
      lost: (1 - flooded.ok / seconds / peak) * 100,
      growth,
      lostAfter: (1 - after.ok / after.seconds / peak) * 100,
    };
    return { ...floodFigures(stage, flooded), extra: again / flooded.sent, rssBefore, filesBefore, facts };
  },
  bars: ({ facts }) => [
    atMost('goodput below the peak, in percent', facts.lost, 20, '%', true),
    growthBar(facts.growth),
    atMost('below the peak 2 s afterwards, in percent', facts.lostAfter, 20, '%', true),
  ],
};
