// Block A: HTTP/1.1, 64 keep-alive connections, GET with a 64-byte answer; all rows interleaved, round by round.
import { createReadStream, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from '../context.mjs';
import { median } from '../statistics.mjs';

const CONNECTIONS = 64;
/** Loaded before every measurement: caches and connection pools come back. */
const REWARM_SECONDS = 1;
/** A log may be held back that long; what is later does not count as written. */
const LOG_BUFFER_MS = 1_000;

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
    measured.push({ proxy, isLogged: true, spent: /** @type {import('../load-closed.mjs').Spent[]} */ ([]) });
    await proxy.spend({ connections: CONNECTIONS, seconds: warmSeconds });
  }
  for (let round = 1; round <= rounds; round++) {
    for (const row of measured) {
      const { proxy, spent } = row;
      await proxy.spend({ connections: CONNECTIONS, seconds: REWARM_SECONDS });
      if (proxy.logFile !== undefined) truncateSync(proxy.logFile);
      const one = await proxy.spend({ connections: CONNECTIONS, seconds });
      spent.push(one);
      if (proxy.logFile !== undefined && !(await isLogged(context, proxy, proxy.logFile, one.requests)))
        row.isLogged = false;
      say(`A ${round}/${rounds} ${proxy.row.id}: ${one.usPerRequest.toFixed(1)} µs, ${Math.round(one.perSecond)}/s`);
    }
  }
  for (const { proxy } of measured) await proxy.stop();
  return {
    block: 'A',
    seconds,
    rounds,
    connections: CONNECTIONS,
    rows: measured.map(({ proxy, spent, isLogged }) => ({
      id: proxy.row.id,
      title: proxy.row.title,
      isLogged,
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

/**
 * A row that is measured with a log must have written it: every request one line, within a second, and no log that
 * grows over all rounds.
 * @param {import('../context.mjs').Context} context @param {import('../context.mjs').Proxy} proxy
 * @param {string} file @param {number} requests
 */
async function isLogged(context, proxy, file, requests) {
  await sleep(LOG_BUFFER_MS);
  let lines = 0;
  /** @type {AsyncIterable<Buffer>} */
  const chunks = createReadStream(file);
  for await (const bytes of chunks) {
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  }
  truncateSync(file);
  if (lines >= requests) return true;
  say(`A ${proxy.row.id}: ${lines} lines in the log of ${requests} requests`);
  context.note(proxy.row, 'block A: a second after the load its log lacked lines');
  return false;
}
