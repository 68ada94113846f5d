// Block G: HTTP/1.1, few and very many clients that ask one request after the other, on one core.
import { say } from '../context.mjs';
import { fileLimit } from '../processes.mjs';
import { median } from '../statistics.mjs';

const SIZES = [64, 1_000, 4_000];
/** Warm code first, and the connections of a crowd to the backends made. */
const WARM_SECONDS = 4;

/** @param {import('../context.mjs').Context} context */
export async function crowd(context) {
  const { options } = context;
  const seconds = options.seconds ?? (options.quick ? 2 : 5);
  const rounds = options.rounds ?? (options.quick ? 1 : 3);
  const sizes = SIZES.filter((size) => 2 * size + 400 <= fileLimit);
  const measured = [];
  for (const row of context.rows.filter((one) => one.sketch !== true && one.id !== 'pilotfish-log')) {
    const proxy = await context.startProxy(row);
    if (proxy === undefined) continue;
    measured.push({ proxy, spent: sizes.map(() => /** @type {import('../load-closed.mjs').Spent[]} */ ([])) });
    for (const connections of sizes) await proxy.spend({ connections, seconds: WARM_SECONDS });
  }
  for (let round = 1; round <= rounds; round++) {
    for (const { proxy, spent } of measured) {
      for (const [at, connections] of sizes.entries()) spent[at]?.push(await proxy.spend({ connections, seconds }));
      const rates = spent.map((all) => Math.round(answersPerSecond(all.slice(-1))));
      say(`G ${round}/${rounds} ${proxy.row.id}: ${rates.join(', ')} requests/s`);
    }
  }
  for (const { proxy } of measured) await proxy.stop();
  return {
    block: 'G',
    seconds,
    rounds,
    sizes,
    rows: measured.map(({ proxy, spent }) => ({
      id: proxy.row.id,
      title: proxy.row.title,
      perSecond: spent.map(answersPerSecond),
      p99Us: median(spent.at(-1)?.map((one) => one.p99Us) ?? []),
      failed: spent.flat().reduce((sum, one) => sum + one.failed, 0),
    })),
  };
}

/** Refusals do not count. @param {import('../load-closed.mjs').Spent[]} all */
function answersPerSecond(all) {
  return median(all.map(({ requests, failed, perSecond }) => ((requests - failed) / requests) * perSecond));
}
