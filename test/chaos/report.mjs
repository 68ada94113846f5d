// The results as one Markdown page, the same on the terminal and in docs/faults.md.
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { commandText } from '../bench/command.mjs';
import { percentile } from '../bench/statistics.mjs';
import { table } from '../bench/table.mjs';
import { barText, short } from './bars.mjs';

const METHOD =
  'Written by `npm run chaos -- --write`; not edited by hand. Real processes on loopback: a proxy, three copies of a ' +
  'service, and 400 requests a second, open loop, every second one a `POST`, each measured from the moment at which it ' +
  'was due. Figures are of the requests due after the fault began. *Twice*: `POST`s that were executed more than once, told ' +
  'by the logs of the copies. *Extra*: executions beyond one for each request. Memory and descriptors are of the proxy: ' +
  'when the fault began and in the end, descriptors at rest.';
const PEERS =
  'Pilotfish runs by its defaults. HAProxy and Envoy are set up as somebody would who knows them well (`test/chaos/proxies`): ' +
  'health checks every second, outlier detection or observed traffic, retries on another server for what may be repeated.';

/**
 * @param {{ results: import('./run.mjs').Result[], options: import('./options.mjs').Options, cores: { proxy: number, load: number },
 *   argv: string[], tookSeconds: number }} run
 */
export function report({ results, options, cores, argv, tookSeconds }) {
  const command = commandText('chaos', argv);
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  const machine = [
    [
      'CPU',
      `${cpus()[0]?.model.trim()}, ${cpus().length} cores; proxy on core ${cores.proxy}, all else on ${cores.load}`,
    ],
    ['memory', `${Math.round(totalmem() / 2 ** 30)} GB`],
    ['system', `${system}, Linux ${release()}`],
    ['Node', process.versions.node],
    ...versions(results),
    ['load', loadText(results)],
  ];
  const parts = [
    '# Faults',
    METHOD,
    PEERS,
    options.isShort ? '**The short form: what is a matter of time is told, not judged.**' : '',
    table(['machine', ''], machine),
    `Command: \`${command}\`, ${tookSeconds} s${options.from.length > 0 ? ', without the runs that \`--from\` names' : ''}.`,
    '## Bars',
    bars(results),
    ...results.map(section),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** Who was put to the test; more than one version where the page is of several runs. @param {import('./run.mjs').Result[]} results */
function versions(results) {
  /** @type {Map<string, Set<string>>} */
  const all = new Map();
  for (const { title, version } of results.flatMap(({ rows }) => rows)) {
    all.set(title, (all.get(title) ?? new Set()).add(version));
  }
  return [...all].map(([title, some]) => [title, [...some].join(', ')]);
}

/** How busy the machine was: with a load above its cores, the worst latencies are those of the machine. @param {import('./run.mjs').Result[]} results */
function loadText(results) {
  const loads = results.flatMap(({ rows }) => rows.map(({ load }) => load)).filter(Number.isFinite);
  const most = Math.max(...loads).toFixed(1);
  return `load average ${Math.min(...loads).toFixed(1)} to ${most}, median ${percentile(loads, 0.5).toFixed(1)}`;
}

/** One row in a line of text. @param {import('./faults/index.mjs').Fault} fault @param {import('./run.mjs').Row} row */
export function line(fault, { proxy, figures, problem }) {
  if (figures === undefined) return `${fault.id} ${proxy}: ${problem ?? ''}`;
  const { sent, failedGet, failedPost, twice, p99Ms, maxMs, reasons } = figures;
  return (
    `${fault.id} ${proxy}: sent ${sent}, failed ${failedGet} GET ${failedPost} POST, twice ${twice}, ` +
    `p99 ${short(p99Ms)} ms, max ${short(maxMs)} ms ${reasons}`
  );
}

/** @param {import('./run.mjs').Result[]} results */
function bars(results) {
  const rows = results.flatMap(({ fault, rows }) =>
    rows.flatMap((row) => row.bars.map((bar) => ({ fault, row, bar }))),
  );
  return table(
    ['fault', 'proxy', 'bar', 'measured', 'limit', ''],
    rows
      .filter(({ row }) => row.proxy === 'pilotfish')
      .map(({ fault, row, bar }) => [fault.title, row.title, ...barText(bar), bar.verdict]),
  );
}

/** @param {import('./run.mjs').Result} result */
function section({ fault, seconds, missing, rows }) {
  const head = `## ${fault.title}\n\n${fault.what} ${seconds} s.`;
  if (missing !== undefined) return `${head}\n\n**Not played**: ${missing}.`;
  const columns = [
    '',
    'sent',
    'ok',
    'failed GET',
    'failed POST',
    'twice',
    'extra',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'max ms',
    'MB',
    'descriptors',
    'missed bars',
  ];
  const cells = rows.map(({ title, figures, problem, bars }) => {
    if (figures === undefined) return [title, ...columns.slice(2).map(() => '–'), problem ?? ''];
    const { sent, ok, failedGet, failedPost, twice, extra, p50Ms, p99Ms, p999Ms, maxMs } = figures;
    return [
      title,
      ...[sent, ok, failedGet, failedPost, twice].map(short),
      `${short(extra * 100)} %`,
      ...[p50Ms, p99Ms, p999Ms, maxMs].map(short),
      `${megabytes(figures.rssBefore)} → ${megabytes(figures.rssAfter)}`,
      `${figures.filesBefore} → ${figures.filesAfter}`,
      bars
        .filter(({ verdict }) => verdict === 'miss')
        .map((bar) => barText(bar).slice(0, 2).join(': '))
        .join('; '),
    ];
  });
  const reasons = rows
    .filter(({ figures }) => (figures?.reasons ?? '') !== '')
    .map(({ title, figures }) => `${title}: ${figures?.reasons}.`);
  return [head, table(columns, cells), reasons.length > 0 && `Failures. ${reasons.join(' ')}`]
    .filter((part) => typeof part === 'string')
    .join('\n\n');
}

/** @param {number} bytes */
function megabytes(bytes) {
  return Math.round(bytes / 1e6);
}
