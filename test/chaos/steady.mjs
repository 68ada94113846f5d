// The load under which faults happen: 400 requests a second, every second one a POST, measured from when each was due.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { treeDescriptors, treeRssBytes } from '../bench/accounting.mjs';
import { epochMs } from '../bench/epoch.mjs';
import { parse } from '../bench/json.mjs';
import { output } from '../bench/processes.mjs';
import { percentile } from '../bench/statistics.mjs';
import { SERVICE } from './service.mjs';

const GENERATOR = fileURLToPath(new URL('../bench/load-open.mjs', import.meta.url));
export const PER_SECOND = 400;
const POST_EVERY = 2;
/** Until the generator has started. */
const LEAD_MS = 700;
/** Before the fault, the proxy is asked for its figures: not at that moment, since that takes CPU. */
const ASK_MS = 500;
/** How long connections and memory may take to come to rest. */
const SETTLE_MS = 7_000;

/**
 * @typedef {import('../bench/load-open.mjs').Answered} Answered
 *
 * @typedef {object} Figures    of the requests that were due after the fault began
 * @property {number} sent
 * @property {number} ok
 * @property {number} failedGet
 * @property {number} failedPost
 * @property {number} failedUnsent  POSTs that failed although no copy had got them
 * @property {number} twice     POSTs that were executed more than once
 * @property {number} extra     executions beyond one for each request, by requests
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} p999Ms
 * @property {number} maxMs
 * @property {number} rssBefore bytes, of the proxy
 * @property {number} rssAfter
 * @property {number} filesBefore  open descriptors of the proxy at rest
 * @property {number} filesAfter
 * @property {string} reasons   of failures, with how often
 * @property {Record<string, number>} facts  what this fault is judged by besides
 *
 * @typedef {object} Play
 * @property {number} [warmSeconds]  of load before the fault; default 3, in the short form 2
 * @property {number} seconds        of load from the fault on
 * @property {number} [answerBytes]
 * @property {(clock: { begunAt: number, sleep: (ms: number) => Promise<void> }) => Promise<unknown>} strike  begins the fault;
 *   ms since 1970
 * @property {() => Promise<void>} [heal]  after the load: lets the copies write down what had reached them
 *
 * @typedef {{ figures: Figures, answered: Answered[], begunAt: number, struckMs: number }} Played  `begunAt`: ms since 1970 from
 *   which `dueMs` counts; `struckMs`: due time at which the fault began
 */

/** @param {import('./stage.mjs').Stage} stage @param {Play} play @returns {Promise<Played>} */
export async function underLoad(stage, { warmSeconds = stage.isShort ? 2 : 3, seconds, answerBytes, strike, heal }) {
  const total = warmSeconds + seconds;
  if (answerBytes !== undefined) await Promise.all(stage.copies.map((copy) => copy.tell({ answerBytes })));
  const filesBefore = treeDescriptors(stage.pid);
  const begunAt = epochMs() + LEAD_MS;
  const plan = {
    port: stage.port,
    perSecond: PER_SECOND,
    seconds: total,
    host: SERVICE,
    postEvery: POST_EVERY,
    numbered: true,
    answerBytes: answerBytes ?? 64,
    beginAt: begunAt,
  };
  const load = output([process.execPath, GENERATOR, JSON.stringify(plan)], stage.cores.load, total * 1_000 + 30_000);
  const struckMs = warmSeconds * 1_000;
  await Promise.race([load, sleep(begunAt + struckMs - ASK_MS - epochMs())]);
  const rssBefore = treeRssBytes(stage.pid);
  await Promise.race([load, sleep(begunAt + struckMs - epochMs())]);
  const [text] = await Promise.all([load, strike({ begunAt, sleep: (ms) => sleep(ms) })]);
  await heal?.();
  const filesAfter = await settledFiles(stage, filesBefore);
  /** @type {Answered[]} */
  const all = parse(text);
  const answered = all.filter(([dueMs]) => dueMs >= struckMs);
  const figures = {
    ...count(stage, answered),
    rssBefore,
    rssAfter: stage.isAlive ? treeRssBytes(stage.pid) : 0,
    filesBefore,
    filesAfter,
    facts: { dead: stage.isAlive ? 0 : 1 },
  };
  return { figures, answered, begunAt, struckMs };
}

/** Descriptors of the proxy once they are back where they were, or after a while. @param {import('./stage.mjs').Stage} stage @param {number} before */
async function settledFiles(stage, before) {
  const end = epochMs() + (stage.isShort ? 0 : SETTLE_MS);
  while (stage.isAlive && epochMs() < end && treeDescriptors(stage.pid) > before + 2) await sleep(100);
  return stage.isAlive ? treeDescriptors(stage.pid) : 0;
}

/** @param {import('./stage.mjs').Stage} stage @param {Answered[]} answered */
function count(stage, answered) {
  const executions = executionsOf(stage);
  const failed = answered.filter(([, , , failure]) => failure !== '');
  const posts = answered.filter(([, , method]) => method === 'POST');
  const latencies = answered.map(([, latencyMs]) => latencyMs);
  const executed = answered.reduce((sum, [, , , , number]) => sum + Math.max(0, (executions.get(number) ?? 0) - 1), 0);
  return {
    sent: answered.length,
    ok: answered.length - failed.length,
    failedGet: failed.filter(([, , method]) => method === 'GET').length,
    failedPost: failed.filter(([, , method]) => method === 'POST').length,
    failedUnsent: failed.filter(([, , method, , number]) => method === 'POST' && !executions.has(number)).length,
    twice: posts.filter(([, , , , number]) => (executions.get(number) ?? 0) > 1).length,
    extra: executed / Math.max(1, answered.length),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    p999Ms: percentile(latencies, 0.999),
    maxMs: percentile(latencies, 1),
    reasons: reasonsOf(failed),
  };
}

/** How often each number was executed, over all copies. @param {import('./stage.mjs').Stage} stage */
export function executionsOf({ copies }) {
  /** @type {Map<number, number>} */
  const times = new Map();
  for (const copy of copies) for (const number of copy.executed()) times.set(number, (times.get(number) ?? 0) + 1);
  return times;
}

/** @param {Answered[]} failed */
function reasonsOf(failed) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const [, , method, failure] of failed) {
    const reason = `${method} ${failure}`;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, times]) => `${times} × ${reason}`).join(', ');
}
