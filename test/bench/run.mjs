// npm run bench: measures Pilotfish beside its peers, prints the tables, judges the bars, writes docs/benchmarks.md.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { judge } from './bars.mjs';
import { bodies } from './blocks/bodies.mjs';
import { crowd } from './blocks/crowd.mjs';
import { idle } from './blocks/idle.mjs';
import { kill } from './blocks/kill.mjs';
import { requests } from './blocks/requests.mjs';
import { manyServices } from './blocks/services.mjs';
import { startUp } from './blocks/start.mjs';
import { createContext, say } from './context.mjs';
import { find } from './find.mjs';
import { machine } from './machine.mjs';
import { enterOwnNetwork } from './namespace.mjs';
import { HELP, readOptions } from './options.mjs';
import { endChildrenWithUs, stopAll } from './processes.mjs';
import { report, verdict } from './report.mjs';
import { allRows } from './rows/index.mjs';

const PAGE = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

const options = readOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (options.list) {
  for (const row of allRows) process.stdout.write(`${row.id}: ${row.missing() ?? row.version()}\n`);
  process.exit(0);
}
if (process.platform !== 'linux') throw new Error('the bench reads /proc and pins cores: it needs Linux');
if (find('wrk') === undefined) throw new Error('no wrk found: test/bench/install-peers.sh');

enterOwnNetwork();
endChildrenWithUs();
const began = performance.now();
const context = await createContext(options);
for (const { row, reason } of context.left) say(`${row.title}: left out, ${reason}`);
/** @type {import('./results.mjs').Blocks} */
const blocks = {};
if (wanted('A')) blocks.A = await requests(context);
if (wanted('B')) blocks.B = await idle(context);
if (wanted('C')) blocks.C = await bodies(context);
if (wanted('D')) blocks.D = await manyServices(context);
if (wanted('E')) blocks.E = await startUp(context);
if (wanted('F')) blocks.F = await kill(context);
if (wanted('G')) blocks.G = await crowd(context);
await stopAll();

const results = {
  machine: machine(context),
  quick: options.quick,
  tookSeconds: Math.round((performance.now() - began) / 1_000),
  argv: process.argv.slice(2),
  versions: context.rows.map((row) => ({ title: row.title, version: row.version() })),
  left: context.left.map(({ row, reason }) => ({ title: row.title, reason })),
  blocks,
  bars: judge(blocks),
};
const page = report(results);
process.stdout.write(page);
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 2));
for (const bar of results.bars) say(verdict(bar));
const whole = !options.quick && options.isEveryBlock && options.rows === undefined;
if (whole || options.write) writeFileSync(PAGE, page);
process.exit(0);

/** @param {string} block */
function wanted(block) {
  return options.blocks.includes(block);
}
