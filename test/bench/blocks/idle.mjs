// Block B: resident memory per connection that says nothing, of a freshly started proxy after one request.
import { say } from '../context.mjs';
import { connectIdle } from '../idle.mjs';
import { fileLimit } from '../processes.mjs';
import { median } from '../statistics.mjs';
import { settledRss, status } from '../wait.mjs';

/** Longer than any run of this block: the connections must not be closed while they are counted. */
const SILENT_MS = 300_000;

/** @param {import('../context.mjs').Context} context */
export async function idle(context) {
  const { options } = context;
  const rounds = options.rounds ?? (options.quick ? 1 : 3);
  const few = 1_000;
  const many = Math.min(9_000, fileLimit - 500);
  const rows = context.rows.filter((row) => row.sketch !== true && row.id !== 'pilotfish-log');
  const found = new Map(rows.map((row) => [row, /** @type {Figures[]} */ ([])]));
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      const figures = await measure(context, row, few, many);
      if (figures === undefined) continue;
      found.get(row)?.push(figures);
      say(`B ${round}/${rounds} ${row.id}: ${kb(figures.few)}, ${kb(figures.many)}, asked once ${kb(figures.asked)}`);
    }
  }
  return {
    block: 'B',
    rounds,
    few,
    many,
    rows: [...found]
      .filter(([, figures]) => figures.length > 0)
      .map(([row, figures]) => ({
        id: row.id,
        title: row.title,
        restMb: median(figures.map((one) => one.rest)) / 1e6,
        fewBytes: median(figures.map((one) => one.few)),
        manyBytes: median(figures.map((one) => one.many)),
        askedBytes: median(figures.map((one) => one.asked)),
      })),
  };
}

/**
 * Bytes per connection, but `rest`: bytes in all without any.
 * @typedef {{ rest: number, few: number, many: number, asked: number }} Figures
 * @param {import('../context.mjs').Context} context
 * @param {import('../rows/index.mjs').Row} row
 * @param {number} few @param {number} many
 * @returns {Promise<Figures | undefined>}
 */
async function measure(context, row, few, many) {
  const proxy = await context.startProxy(row, { silentClientsMs: SILENT_MS });
  if (proxy === undefined) return undefined;
  await status(proxy.port); // what is made once only is made now
  const clients = connectIdle(proxy.port, context.cores.load);
  try {
    const rest = await settledRss(proxy.process.pid);
    await clients.say(`open ${few}`, few);
    const withFew = await settledRss(proxy.process.pid);
    await clients.say(`open ${many}`, many);
    const withMany = await settledRss(proxy.process.pid);
    await clients.say('ask', many);
    const asked = await settledRss(proxy.process.pid);
    await clients.say('count', many); // still all there?
    return { rest, few: (withFew - rest) / few, many: (withMany - rest) / many, asked: (asked - rest) / many };
  } catch (error) {
    context.note(row, `block B: ${/** @type {Error} */ (error).message}`);
    return undefined;
  } finally {
    clients.close();
    await proxy.stop();
  }
}

/** @param {number} bytes */
function kb(bytes) {
  return `${(bytes / 1_000).toFixed(2)} kB`;
}
