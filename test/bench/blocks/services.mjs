// Block D: 1,000 services of ten endpoints each: memory, start, CPU per request spread over all of them, cost of a pick.
import { COPIES } from '../backend.mjs';
import { say } from '../context.mjs';
import { pickCost } from '../pick-cost.mjs';
import { median } from '../statistics.mjs';
import { settledRss } from '../wait.mjs';

const SERVICES = 1_000;
const CONNECTIONS = 64;

/** @param {import('../context.mjs').Context} context */
export async function manyServices(context) {
  const { options } = context;
  const rounds = options.rounds ?? (options.quick ? 1 : 3);
  const seconds = options.quick ? 2 : 4;
  const ports = context.backend.ports.slice(0, COPIES);
  const many = Object.fromEntries(Array.from({ length: SERVICES }, (_, i) => [`svc${i}`, ports]));
  const one = { svc0: ports };
  const rows = context.rows.filter((row) => row.sketch !== true && row.id !== 'pilotfish-log');
  const found = new Map(rows.map((row) => [row, /** @type {Figures[]} */ ([])]));
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      const alone = await measure(context, row, one, 1, seconds);
      const all = alone && (await measure(context, row, many, SERVICES, seconds));
      if (alone === undefined || all === undefined) continue;
      found.get(row)?.push({ ...all, alone: alone.restBytes, oneUs: alone.usPerRequest });
      const mb = ((all.restBytes - alone.restBytes) / 1e6).toFixed(1);
      say(
        `D ${round}/${rounds} ${row.id}: +${mb} MB, ready ${all.readyMs.toFixed(0)} ms, ${all.usPerRequest.toFixed(1)} µs`,
      );
    }
  }
  return {
    block: 'D',
    rounds,
    services: SERVICES,
    endpoints: COPIES,
    picks: await pickCost(),
    rows: [...found]
      .filter(([, figures]) => figures.length > 0)
      .map(([row, figures]) => ({
        id: row.id,
        title: row.title,
        addedMb: median(figures.map((figure) => figure.restBytes - figure.alone)) / 1e6,
        bytesPerEndpoint: median(figures.map((figure) => figure.restBytes - figure.alone)) / (SERVICES * COPIES),
        loadedMb: median(figures.map((figure) => figure.loadedBytes)) / 1e6,
        readyMs: median(figures.map((figure) => figure.readyMs)),
        oneUs: median(figures.map((figure) => figure.oneUs)),
        spreadUs: median(figures.map((figure) => figure.usPerRequest)),
        failed: figures.reduce((sum, figure) => sum + figure.failed, 0),
      })),
  };
}

/**
 * @typedef {{ restBytes: number, loadedBytes: number, readyMs: number, usPerRequest: number, failed: number,
 *   alone: number, oneUs: number }} Figures
 * @param {import('../context.mjs').Context} context @param {import('../rows/index.mjs').Row} row
 * @param {Record<string, number[]>} services @param {number} count @param {number} seconds
 */
async function measure(context, row, services, count, seconds) {
  const proxy = await context.startProxy(row, { services });
  if (proxy === undefined) return undefined;
  try {
    const restBytes = await settledRss(proxy.process.pid);
    await proxy.spend({ connections: CONNECTIONS, seconds: seconds * 2, services: count });
    const { usPerRequest, failed } = await proxy.spend({ connections: CONNECTIONS, seconds, services: count });
    const loadedBytes = await settledRss(proxy.process.pid);
    return { restBytes, loadedBytes, readyMs: proxy.readyAfterMs, usPerRequest, failed };
  } finally {
    await proxy.stop();
  }
}
