// Block A: HTTP/1.1, 64 keep-alive connections, GET with a 64-byte answer; all rows interleaved, round by round.
import { say } from '../context.mjs';
import { median } from '../statistics.mjs';

const CONNECTIONS = 64;
/** Loaded before every measurement: caches and connection pools come back. */
const REWARM_SECONDS = 1;

/** @param {import('../context.mjs').Context} context */
export async function requests(context) {
  const { options } = context;
  const seconds = options.seconds ?? (options.quick ? 2 : 4);
  const rounds = options.rounds ?? (options.quick ? 2 : 7);
  const warmSeconds = options.quick ? 3 : 8; // V8 compiles what is hot in the first seconds
  const measured = [];
  for (const row of context.rows) {
    const proxy = await context.startProxy(row);
    if (proxy === undefined) continue;
    measured.push({ proxy, spent: /** @type {import('../load-closed.mjs').Spent[]} */ ([]) });
    await proxy.spend({ connections: CONNECTIONS, seconds: warmSeconds });
  }
  for (let round = 1; round <= rounds; round++) {
    for (const { proxy, spent } of measured) {
      await proxy.spend({ connections: CONNECTIONS, seconds: REWARM_SECONDS });
      const one = await proxy.spend({ connections: CONNECTIONS, seconds });
      spent.push(one);
      say(`A ${round}/${rounds} ${proxy.row.id}: ${one.usPerRequest.toFixed(1)} µs, ${Math.round(one.perSecond)}/s`);
    }
  }
  for (const { proxy } of measured) await proxy.stop();
  return {
    block: 'A',
    seconds,
    rounds,
    connections: CONNECTIONS,
    rows: measured.map(({ proxy, spent }) => ({
      id: proxy.row.id,
      title: proxy.row.title,
      ...medians(spent),
      failed: spent.reduce((sum, one) => sum + one.failed, 0),
    })),
  };
}

/** @param {import('../load-closed.mjs').Spent[]} spent */
export function medians(spent) {
  const of = (/** @type {(one: import('../load-closed.mjs').Spent) => number} */ figure) => median(spent.map(figure));
  return {
    usPerRequest: of((one) => one.usPerRequest),
    perSecond: of((one) => one.perSecond),
    p50Us: of((one) => one.p50Us),
    p99Us: of((one) => one.p99Us),
    busy: of((one) => one.busy),
    foreign: of((one) => one.foreign),
  };
}
