// Block F: 400 requests a second, half of them POST, over three copies, one of which is killed −9 on the way. A POST that was
// under way to it when it died may have been executed and may not be sent again (RFC 9110 §9.2.2): no proxy can save it, and how
// many there are is chance. They are told apart by when they were sent and by how they failed, and counted beside.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startNode } from '../backend.mjs';
import { say } from '../context.mjs';
import { epochMs } from '../epoch.mjs';
import { output, stop } from '../processes.mjs';
import { median, percentile } from '../statistics.mjs';
import { parse } from '../json.mjs';

const GENERATOR = fileURLToPath(new URL('../load-open.mjs', import.meta.url));
const PER_SECOND = 400;
/** Left out of the latencies: connections open, V8 compiles. */
const WARM_MS = 2_000;
/** Until the generator has started. */
const LEAD_MS = 700;
/**
 * What a client hears of a connection that ended before the answer: in the words of Pilotfish, of its peers, of Node. Anything
 * else (nothing could be connected to, nobody to pick, a timeout) is no reason to give a POST up.
 */
const CUT_OFF = /^(status 502 PF_UPSTREAM_CLOSED|status 50[23]|socket hang up|read ECONNRESET)$/;

/** @param {import('../context.mjs').Context} context */
export async function kill(context) {
  const { options } = context;
  const rounds = options.rounds ?? (options.quick ? 1 : 3);
  const seconds = options.quick ? 6 : 16;
  const rows = context.rows.filter((row) => row.sketch !== true && row.id !== 'pilotfish-log');
  const found = new Map(rows.map((row) => [row, /** @type {Figures[]} */ ([])]));
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      const figures = await measure(context, row, seconds);
      if (figures === undefined) continue;
      found.get(row)?.push(figures);
      const { failedGet, failedPost, lostPost, p999Ms, reasons } = figures;
      say(
        `F ${round}/${rounds} ${row.id}: failed ${failedGet} GET ${failedPost} POST, lost ${lostPost} POST, ` +
          `p99.9 ${p999Ms.toFixed(1)} ms ${reasons}`,
      );
    }
  }
  return {
    block: 'F',
    rounds,
    seconds,
    perSecond: PER_SECOND,
    rows: [...found]
      .filter(([, figures]) => figures.length > 0)
      .map(([row, figures]) => ({
        id: row.id,
        title: row.title,
        requests: PER_SECOND * seconds * figures.length,
        failedGet: figures.reduce((sum, one) => sum + one.failedGet, 0),
        failedPost: figures.reduce((sum, one) => sum + one.failedPost, 0),
        lostPost: figures.reduce((sum, one) => sum + one.lostPost, 0),
        reasons: [...new Set(figures.map((one) => one.reasons).filter((text) => text !== ''))].join('; '),
        p50Ms: median(figures.map((one) => one.p50Ms)),
        p99Ms: median(figures.map((one) => one.p99Ms)),
        p999Ms: median(figures.map((one) => one.p999Ms)),
        maxMs: Math.max(...figures.map((one) => one.maxMs)),
      })),
  };
}

/**
 * @typedef {{ failedGet: number, failedPost: number, lostPost: number, reasons: string, p50Ms: number, p99Ms: number, p999Ms: number,
 *   maxMs: number }} Figures
 * @param {import('../context.mjs').Context} context @param {import('../rows/index.mjs').Row} row @param {number} seconds
 * @returns {Promise<Figures | undefined>}
 */
async function measure(context, row, seconds) {
  const core = context.cores.load;
  const copies = await Promise.all([startNode(1, core), startNode(1, core), startNode(1, core)]);
  const proxy = await context.startProxy(row, { services: { bench: copies.flatMap((copy) => copy.ports) } });
  try {
    if (proxy === undefined) return undefined;
    const beginAt = epochMs() + LEAD_MS;
    const plan = { port: proxy.port, perSecond: PER_SECOND, seconds, host: 'bench', postEvery: 2, beginAt };
    const [text, death] = await Promise.all([
      output([process.execPath, GENERATOR, JSON.stringify(plan)], core, seconds * 1_000 + 15_000),
      sleep(LEAD_MS + WARM_MS + (seconds * 1_000 - WARM_MS) / 3).then(() => die(copies[0].process)),
    ]);
    return judge(parse(text), { fromMs: death.fromMs - beginAt, toMs: death.toMs - beginAt });
  } finally {
    await proxy?.stop();
    await Promise.all(copies.map((copy) => stop(copy.process)));
  }
}

/**
 * Kills it: from the signal to the news that it is gone, it may still have taken requests, and not after.
 * @param {import('../processes.mjs').Running} copy
 */
async function die(copy) {
  const fromMs = epochMs();
  process.kill(copy.pid, 'SIGKILL'); // itself: looking for children first would take the CPU from who is measured
  await copy.exited;
  return { fromMs, toMs: epochMs() };
}

/**
 * @param {import('../load-open.mjs').Answered[]} results
 * @param {{ fromMs: number, toMs: number }} death  of the copy, on the clock of the due times
 * @returns {Figures}
 */
function judge(results, { fromMs, toMs }) {
  const failures = results.filter(([, , , failure]) => failure !== '');
  const posts = failures.filter(([, , method]) => method === 'POST');
  const lostPost = posts.filter(
    ([dueMs, latencyMs, , failure]) => dueMs <= toMs && dueMs + latencyMs >= fromMs && CUT_OFF.test(failure),
  ).length;
  const latencies = results.filter(([dueMs]) => dueMs >= WARM_MS).map(([, latencyMs]) => latencyMs);
  return {
    failedGet: failures.filter(([, , method]) => method === 'GET').length,
    failedPost: posts.length - lostPost,
    lostPost,
    reasons: [...new Set(failures.map(([, , , failure]) => failure))].join(', '),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    p999Ms: percentile(latencies, 0.999),
    maxMs: percentile(latencies, 1),
  };
}
