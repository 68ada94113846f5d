// Block C: large bodies, in megabytes that pass for each second of the proxy's CPU time.
import { say } from '../context.mjs';
import { median } from '../statistics.mjs';

const KINDS = [
  { key: 'down64k', title: '64 KiB answer', path: '/64k', bytes: 64 * 1024, connections: 16 },
  { key: 'down10m', title: '10 MB answer', path: '/10m', bytes: 10 * 1024 * 1024, connections: 4 },
  { key: 'up64k', title: '64 KiB request', path: '/', bodyBytes: 64 * 1024, connections: 16 },
  { key: 'up10m', title: '10 MB request', path: '/', bodyBytes: 10 * 1024 * 1024, connections: 4 },
];

/** @param {import('../context.mjs').Context} context */
export async function bodies(context) {
  const { options } = context;
  const seconds = options.seconds ?? (options.quick ? 1 : 3);
  const rounds = options.rounds ?? (options.quick ? 1 : 3);
  const kinds = context.backend.files ? KINDS : KINDS.filter((kind) => kind.bodyBytes !== undefined);
  const measured = [];
  for (const row of context.rows.filter((one) => one.id !== 'pilotfish-log')) {
    const proxy = await context.startProxy(row);
    if (proxy === undefined) continue;
    measured.push({ proxy, rates: new Map(kinds.map((kind) => [kind.key, /** @type {number[]} */ ([])])), failed: 0 });
    for (const kind of kinds) await proxy.spend({ ...kind, seconds: options.quick ? 1 : 2 });
  }
  for (let round = 1; round <= rounds; round++) {
    for (const one of measured) {
      for (const kind of kinds) {
        const spent = await one.proxy.spend({ ...kind, seconds });
        const bytes = kind.bodyBytes === undefined ? spent.bytes : spent.requests * kind.bodyBytes;
        one.failed += spent.failed;
        one.rates.get(kind.key)?.push(bytes / 1e6 / (spent.cpuNs / 1e9));
      }
      const row = kinds.map((kind) => `${kind.title} ${Math.round(one.rates.get(kind.key)?.at(-1) ?? 0)}`).join(', ');
      say(`C ${round}/${rounds} ${one.proxy.row.id}: MB per CPU second: ${row}`);
    }
  }
  for (const { proxy } of measured) await proxy.stop();
  return {
    block: 'C',
    seconds,
    rounds,
    kinds: kinds.map(({ key, title }) => ({ key, title })),
    rows: measured.map(({ proxy, rates, failed }) => ({
      id: proxy.row.id,
      title: proxy.row.title,
      failed,
      mbPerCpuSecond: Object.fromEntries([...rates].map(([key, values]) => [key, median(values)])),
    })),
  };
}
