// The results as one Markdown page, the same on the terminal and in docs/benchmarks.md.
import {
  bodiesSection,
  crowdSection,
  idleSection,
  killSection,
  requestsSection,
  servicesSection,
  startSection,
} from './sections.mjs';
import { commandText } from './command.mjs';
import { table } from './table.mjs';

const METHOD =
  'Written by `npm run bench`; not edited by hand. Every table was taken in one run, the rows interleaved round by ' +
  'round, and gives medians. CPU time is user + system of the whole process tree by the kernel’s accounting; the proxy ' +
  'is pinned to one core, load and backends to another. Absolute figures change from machine to machine: compare ratios.';

/** Share of the proxy's core that others may take before their traces in its caches show in the figures. */
const QUIET = 0.05;
const DISTURBED =
  '**Disturbed**: other processes took a good part of the proxy’s core (column *others*), which inflates CPU per request. ' +
  'Run again on a quiet machine.';

/** @param {import('./results.mjs').Results} results */
export function report({ machine, quick, tookSeconds, argv, versions, left, blocks, bars }) {
  const { A, B, C, D, E, F, G } = blocks;
  const command = commandText('bench', argv);
  const parts = [
    '# Benchmarks',
    METHOD,
    quick && '**A quick run: a look, not a result.**',
    table(
      ['machine', ''],
      [
        [
          'CPU',
          `${machine.cpu}, ${machine.cores} cores; proxy on core ${machine.proxyCore}, load on ${machine.loadCore}`,
        ],
        ['memory', `${machine.memoryGb} GB`],
        ['system', machine.system],
        ['network', machine.network],
        ['Node', machine.node],
        ['load generator', `wrk ${machine.wrk}; block F: open loop, Node`],
        ['backend', `${machine.backend}; block F and uploads: raw Node server`],
        ...versions.map((one) => [one.title, one.version]),
      ],
    ),
    `Command: \`${command}\`, ${tookSeconds} s. Peers are installed by \`test/bench/install-peers.sh\`; how each is ` +
      'configured is written in `test/bench/rows`.',
    left.length > 0 && `Left out: ${left.map((one) => `${one.title} (${one.reason})`).join('; ')}.`,
    A && isDisturbed(A) && DISTURBED,
    '## Bars',
    table(['bar', 'measured', 'limit', ''], bars.map(barCells)),
    A && requestsSection(A),
    B && idleSection(B),
    C && bodiesSection(C),
    D && servicesSection(D),
    E && startSection(E),
    F && killSection(F),
    G && crowdSection(G),
  ];
  return parts.filter((part) => typeof part === 'string').join('\n\n') + '\n';
}

/** @param {import('./results.mjs').Requests} block */
function isDisturbed({ rows }) {
  return rows.some((row) => row.foreign > QUIET);
}

/** One bar in a line of text. @param {import('./bars.mjs').Bar} bar */
export function verdict(bar) {
  const [title, figure, limit, word] = barCells(bar);
  return `${word.toUpperCase()}: ${title}: ${figure} (${limit})`;
}

/** @param {import('./bars.mjs').Bar} bar */
function barCells({ title, figure, limit, unit, pass }) {
  const word = pass === undefined ? 'not measured' : pass ? 'pass' : 'miss';
  return [title, figure === undefined ? '–' : `${short(figure)} ${unit}`.trim(), `≤ ${limit} ${unit}`.trim(), word];
}

/** Three digits that mean something. @param {number} value */
function short(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
