// npm run chaos: breaks what Pilotfish depends on, one fault after the other, and judges what clients noticed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { endChildrenWithUs, killAll } from '../bench/processes.mjs';
import { atMost, barText, verdictOf } from './bars.mjs';
import { FAULTS } from './faults/index.mjs';
import { HELP, readOptions } from './options.mjs';
import { mergeResults, readResults } from './earlier.mjs';
import { PROXIES } from './proxies/index.mjs';
import { line, report } from './report.mjs';
import { Stage, stageDirectory } from './stage.mjs';

/** Of load after a fault that is asked for in a short form that it is not part of. */
const SHORT_SECONDS = 3;
const PAGE = fileURLToPath(new URL('../../docs/faults.md', import.meta.url));

/**
 * @typedef {object} Row          one proxy under one fault
 * @property {string} proxy       id
 * @property {string} title
 * @property {string} version
 * @property {number} load     processes that were ready to run in the minute before, this run's own included
 * @property {import('./steady.mjs').Figures | undefined} figures
 * @property {string | undefined} problem  why there are none
 * @property {(import('./bars.mjs').Bar & { verdict: ReturnType<typeof verdictOf> })[]} bars
 *
 * @typedef {object} Result       one fault
 * @property {import('./faults/index.mjs').Fault} fault
 * @property {number} seconds
 * @property {string | undefined} missing
 * @property {Row[]} rows
 */

const options = readOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (options.list) {
  for (const { id, title, missing } of FAULTS) process.stdout.write(`${id}: ${missing?.() ?? title}\n`);
  for (const proxy of PROXIES) process.stdout.write(`${proxy.id}: ${proxy.missing() ?? proxy.version()}\n`);
  process.exit(0);
}
if (process.platform !== 'linux') throw new Error('the chaos suite reads /proc and pins cores: it needs Linux');
for (const id of options.only ?? []) {
  if (!FAULTS.some((fault) => fault.id === id)) throw new Error(`--only ${id}: no such fault (--list)`);
}

endChildrenWithUs();
const root = mkdtempSync(join(tmpdir(), 'pilotfish-chaos-'));
process.on('exit', () => {
  killAll(); // before the directory goes: they write into it
  rmSync(root, { recursive: true, force: true });
});
const cores = options.cores ?? { proxy: availableParallelism() - 1, load: 0 };
spawnSync('taskset', ['-a', '-cp', String(cores.load), String(process.pid)]);
if (options.realtime && spawnSync('chrt', ['-a', '-r', '-p', '1', String(process.pid)]).status !== 0) {
  throw new Error('--realtime: chrt was refused');
}
const began = performance.now();
const proxies = PROXIES.filter(({ id }) => options.proxies.includes(id));
for (const proxy of proxies) if (proxy.missing() !== undefined) say(`${proxy.title}: left out, ${proxy.missing()}`);

/** @type {Result[]} */
const played = [];
for (const fault of FAULTS.filter(isWantedFault)) {
  const seconds = options.seconds ?? (options.isShort ? (fault.shortSeconds ?? SHORT_SECONDS) : fault.seconds);
  const missing = fault.missing?.();
  if (missing !== undefined) say(`${fault.id}: not played, ${missing}`);
  /** @type {Row[]} */
  const rows = [];
  for (const kind of proxies) {
    if (missing !== undefined || kind.missing() !== undefined || (kind.isPeer && fault.needsRegistry === true))
      continue;
    const row = await play(fault, kind, seconds);
    rows.push(row);
    say(line(fault, row));
    for (const bar of row.bars) if (bar.verdict === 'miss') say(`  MISS ${barText(bar).join(', ')}`);
  }
  played.push({ fault, seconds, missing, rows });
}
const results = mergeResults([...options.from.map(readResults), played]);

const page = report({
  results,
  options,
  cores,
  argv: process.argv.slice(2),
  tookSeconds: Math.round((performance.now() - began) / 1_000),
});
process.stdout.write(page);
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 2));
if (options.write) writeFileSync(PAGE, page);
const own = results.flatMap(({ rows }) => rows).filter(({ proxy }) => proxy === 'pilotfish');
const isWanted = options.proxies.includes('pilotfish');
const isBroken = (isWanted && own.length === 0) || own.some(({ problem }) => problem !== undefined);
const missed = own.flatMap(({ bars }) => bars).filter(({ verdict }) => verdict === 'miss').length;
say(isBroken ? 'a fault could not be played' : `${missed} bars missed`);
process.exit(isBroken ? 2 : missed > 0 ? 1 : 0);

/** @param {import('./faults/index.mjs').Fault} fault */
function isWantedFault({ id, shortSeconds }) {
  return options.only?.includes(id) ?? (!options.isShort || shortSeconds !== undefined);
}

/**
 * One fault on a stage of its own.
 * @param {import('./faults/index.mjs').Fault} fault @param {import('./proxies/index.mjs').ProxyKind} kind @param {number} seconds
 * @returns {Promise<Row>}
 */
async function play(fault, kind, seconds) {
  const directory = stageDirectory(root, fault.id, kind.id);
  const stage = new Stage(kind, fault.setting ?? {}, { directory, cores, isShort: options.isShort });
  const row = { proxy: kind.id, title: kind.title, version: kind.version(), load: loadavg()[0] ?? Number.NaN };
  try {
    await stage.open();
    const figures = await fault.play(stage, seconds);
    const judged = [atMost('proxy ended', figures.facts.dead, 0), ...fault.bars(figures)];
    // A peer has no metric of ours: what only that shows is not held against it.
    const bars = kind.isPeer ? judged.filter(({ figure }) => Number.isFinite(figure)) : judged;
    return {
      ...row,
      figures,
      problem: undefined,
      bars: bars.map((bar) => ({ ...bar, verdict: verdictOf(bar, options.isShort) })),
    };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { ...row, figures: undefined, problem: problem.replaceAll(directory, '.'), bars: [] };
  } finally {
    await stage.close();
  }
}

/** Progress, on stderr: standard output has the page alone. @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}
