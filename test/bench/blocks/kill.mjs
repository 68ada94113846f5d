// Block F: 400 requests a second, half of them POST, over three copies, one of which is killed −9 on the way.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startNode } from '../backend.mjs';
import { say } from '../context.mjs';
import { output, stop } from '../processes.mjs';
import { median, percentile } from '../statistics.mjs';
import { parse } from '../json.mjs';

const GENERATOR = fileURLToPath(new URL('../load-open.mjs', import.meta.url));
const PER_SECOND = 400;
/** Left out of the latencies: connections open, V8 compiles. */
const WARM_MS = 2_000;

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
      const { failedGet, failedPost, p999Ms, reasons } = figures;
      say(
        `F ${round}/${rounds} ${row.id}: failed ${failedGet} GET ${failedPost} POST, p99.9 ${p999Ms.toFixed(1)} ms ${reasons}`,
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
        reasons: [...new Set(figures.map((one) => one.reasons).filter((text) => text !== ''))].join('; '),
        p50Ms: median(figures.map((one) => one.p50Ms)),
        p99Ms: median(figures.map((one) => one.p99Ms)),
        p999Ms: median(figures.map((one) => one.p999Ms)),
        maxMs: Math.max(...figures.map((one) => one.maxMs)),
      })),
  };
}

/**
 * @typedef {{ failedGet: number, failedPost: number, reasons: string, p50Ms: number, p99Ms: number, p999Ms: number,
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
    const plan = { port: proxy.port, perSecond: PER_SECOND, seconds, host: 'bench', postEvery: 2 };
    const [text] = await Promise.all([
      output([process.execPath, GENERATOR, JSON.stringify(plan)], core, seconds * 1_000 + 15_000),
      sleep(WARM_MS + (seconds * 1_000 - WARM_MS) / 3).then(() => stop(copies[0].process)),
    ]);
    return judge(parse(text));
  } finally {
    await proxy?.stop();
    await Promise.all(copies.map((copy) => stop(copy.process)));
  }
}

/**
 * @param {import('../load-open.mjs').Answered[]} results
 * @returns {Figures}
 */
function judge(results) {
  const failures = results.filter(([, , , failure]) => failure !== '');
  const latencies = results.filter(([dueMs]) => dueMs >= WARM_MS).map(([, latencyMs]) => latencyMs);
  return {
    failedGet: failures.filter(([, , method]) => method === 'GET').length,
    failedPost: failures.filter(([, , method]) => method === 'POST').length,
    reasons: [...new Set(failures.map(([, , , failure]) => failure))].join(', '),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    p999Ms: percentile(latencies, 0.999),
    maxMs: percentile(latencies, 1),
  };
}
