// Block E: from spawn to the first 200 (readiness for Pilotfish, a proxied request for its peers), and memory at rest.
import { say } from '../context.mjs';
import { median } from '../statistics.mjs';
import { settledRss } from '../wait.mjs';

/** @param {import('../context.mjs').Context} context */
export async function startUp(context) {
  const { options } = context;
  const rounds = options.rounds ?? (options.quick ? 2 : 7);
  const rows = context.rows.filter((row) => row.sketch !== true && row.id !== 'pilotfish-log');
  const found = new Map(rows.map((row) => [row, /** @type {{ ms: number, rss: number }[]} */ ([])]));
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      const proxy = await context.startProxy(row);
      if (proxy === undefined) continue;
      const rss = await settledRss(proxy.process.pid);
      await proxy.stop();
      found.get(row)?.push({ ms: proxy.readyAfterMs, rss });
      say(`E ${round}/${rounds} ${row.id}: ${proxy.readyAfterMs.toFixed(0)} ms, ${(rss / 1e6).toFixed(1)} MB`);
    }
  }
  return {
    block: 'E',
    rounds,
    rows: [...found]
      .filter(([, figures]) => figures.length > 0)
      .map(([row, figures]) => ({
        id: row.id,
        title: row.title,
        readyMs: median(figures.map((one) => one.ms)),
        worstMs: Math.max(...figures.map((one) => one.ms)),
        rssMb: median(figures.map((one) => one.rss)) / 1e6,
      })),
  };
}
