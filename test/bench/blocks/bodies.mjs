// Block C: large bodies, in megabytes that pass for each second of the proxy's CPU time.
import { startNode } from '../backend.mjs';
import { say } from '../context.mjs';
import { stop } from '../processes.mjs';
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
  const sink = await startNode(3, context.cores.load);
  const measured = [];
  for (const row of context.rows.filter((one) => one.id !== 'pilotfish-log')) {
    const down = await context.startProxy(row);
    const up = down && (await context.startProxy(row, { services: { bench: sink.ports } }));
    if (down === undefined || up === undefined) continue;
    const of = (/** @type {typeof kinds[number]} */ kind) => (kind.bodyBytes === undefined ? down : up);
    measured.push({ down, up, of, rates: new Map(kinds.map((kind) => [kind.key, numbers()])), failed: 0 });
    for (const kind of kinds) await of(kind).spend({ ...kind, seconds: options.quick ? 1 : 2 });
  }
  for (let round = 1; round <= rounds; round++) {
    for (const one of measured) {
      for (const kind of kinds) {
        const spent = await one.of(kind).spend({ ...kind, seconds });
        const bytes = kind.bodyBytes === undefined ? spent.bytes : spent.requests * kind.bodyBytes;
        one.failed += spent.failed;
        one.rates.get(kind.key)?.push(bytes / 1e6 / (spent.cpuNs / 1e9));
      }
      const row = kinds.map((kind) => `${kind.title} ${Math.round(one.rates.get(kind.key)?.at(-1) ?? 0)}`).join(', ');
      say(`C ${round}/${rounds} ${one.down.row.id}: MB per CPU second: ${row}`);
    }
  }
  for (const { down, up } of measured) await Promise.all([down.stop(), up.stop()]);
  await stop(sink.process);
  return {
    block: 'C',
    seconds,
    rounds,
    kinds: kinds.map(({ key, title }) => ({ key, title })),
    rows: measured.map(({ down, rates, failed }) => ({
      id: down.row.id,
      title: down.row.title,
      failed,
      mbPerCpuSecond: Object.fromEntries([...rates].map(([key, values]) => [key, median(values)])),
    })),
  };
}

/** @returns {number[]} */
function numbers() {
  return [];
}
