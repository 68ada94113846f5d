// bench:profile: the sidecar under the load of block A with V8's sampling profiler, and where its time went.
import { copyFileSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, say } from './context.mjs';
import { analyse } from './cpuprofile.mjs';
import { enterOwnNetwork } from './namespace.mjs';
import { HELP, readOptions } from './options.mjs';
import { ask, endChildrenWithUs, stopAll } from './processes.mjs';
import { allRows } from './rows/index.mjs';
import { table } from './table.mjs';
import { parse } from './json.mjs';

/** V8 compiles meanwhile; these samples are left out. */
const WARM_SECONDS = 5;
/** A sidecar that is told to stop finishes what is in flight first. */
const STOP_MS = 40_000;

const options = readOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const id = options.profile.row ?? (options.profile.log ? 'pilotfish-log' : 'pilotfish');
const row = allRows.find((one) => one.id === id);
if (row === undefined) throw new Error(`--row ${id}: no such row`);
const missing = row.missing();
if (missing !== undefined) throw new Error(missing);

enterOwnNetwork();
endChildrenWithUs();
const context = await createContext({ ...options, rows: [id] });
const profiles = join(context.directory, 'profiles');
const proxy = await context.startProxy(row, { nodeOptions: ['--cpu-prof', '--cpu-prof-dir', profiles] });
if (proxy === undefined) process.exit(1);
const { path } = options.profile;
const load = path === '/' ? { connections: 64 } : { connections: 16, path };
await proxy.spend({ ...load, seconds: WARM_SECONDS });
const fromUs = nowUs();
const spent = await proxy.spend({ ...load, seconds: options.seconds ?? 8 });
const toUs = nowUs();
say(`${row.title} under the profiler: ${spent.usPerRequest.toFixed(1)} µs/request, ${Math.round(spent.perSecond)}/s`);
await ask(proxy.process, STOP_MS);
await stopAll();

const files = readdirSync(profiles).filter((name) => name.endsWith('.cpuprofile'));
if (files.length === 0) throw new Error('no .cpuprofile: the process did not end by itself when it was asked to');
const file = join(profiles, files[0]);
if (options.profile.keep !== undefined) copyFileSync(file, options.profile.keep);
/** @type {import('./cpuprofile.mjs').Profile} */
const profile = parse(readFileSync(file, 'utf8'));
const { self, files: byFile, inclusive, idle } = analyse(profile, fromUs, toUs);
const cells = (/** @type {[string, number][]} */ rows) =>
  rows
    .slice(0, options.profile.top)
    .map(([name, share]) => [name, `${(share * 100).toFixed(1)} %`, (share * spent.usPerRequest).toFixed(2)]);
process.stdout.write(
  [
    `${row.title}: ${spent.usPerRequest.toFixed(1)} µs CPU/request with the profiler on, ${(idle * 100).toFixed(0)} % idle`,
    table(['self time', 'share', 'µs/request'], cells(self)),
    table(['file', 'share', 'µs/request'], cells(byFile)),
    table(['with all that it called', 'share', 'µs/request'], cells(inclusive)),
    '',
  ].join('\n\n'),
);
process.exit(0);

/** The clock that V8 writes into profiles. */
function nowUs() {
  return Number(process.hrtime.bigint() / 1_000n);
}
