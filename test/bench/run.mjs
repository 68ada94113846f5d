// npm run bench: measures Pilotfish beside its peers, prints the tables, judges the bars, writes docs/benchmarks.md.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { judge } from './bars.mjs';
import { bodies } from './blocks/bodies.mjs';
import { idle } from './blocks/idle.mjs';
import { kill } from './blocks/kill.mjs';
import { requests } from './blocks/requests.mjs';
import { manyServices } from './blocks/services.mjs';
import { startUp } from './blocks/start.mjs';
import { createContext, say } from './context.mjs';
import { find } from './find.mjs';
import { machine } from './machine.mjs';
import { HELP, readOptions } from './options.mjs';
import { endChildrenWithUs, stopAll } from './processes.mjs';
import { report } from './report.mjs';
import { allRows } from './rows/index.mjs';

const PAGE = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));
const BLOCKS = { A: requests, B: idle, C: bodies, D: manyServices, E: startUp, F: kill };

const options = readOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (options.list) {
  for (const row of allRows) process.stdout.write(`${row.id}: ${row.missing() ?? row.version()}\n`);
  process.exit(0);
}
if (find('wrk') === undefined) throw new Error('no wrk found: test/bench/install-peers.sh');

endChildrenWithUs();
const began = performance.now();
const context = await createContext(options);
for (const { row, reason } of context.left) say(`${row.title}: left out, ${reason}`);
/** @type {Record<string, any>} */
const blocks = {};
for (const block of options.blocks) blocks[block] = await BLOCKS[/** @type {keyof typeof BLOCKS} */ (block)](context);
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
const whole = !options.quick && options.blocks.length === 6 && options.rows === undefined;
if (whole || options.write) writeFileSync(PAGE, page);
process.exit(0);
