// The results as one Markdown page, the same on the terminal and in docs/benchmarks.md.
import { table } from './table.mjs';

/** @param {any} results */
export function report({ machine, quick, tookSeconds, argv, versions, left, blocks, bars }) {
  const parts = [
    '# Benchmarks',
    'Written by `npm run bench`; not edited by hand. Every table was taken in one run, the rows interleaved round by round, ' +
      'and gives medians. CPU time is user + system of the whole process tree by the kernel’s accounting; the proxy is ' +
      'pinned to one core, load and backends to another. Absolute figures change from machine to machine: compare ratios.' +
      (quick ? ' **A quick run: a look, not a result.**' : ''),
    `| machine | |\n|---|---|\n| CPU | ${machine.cpu}, ${machine.cores} cores; proxy on core ${machine.proxyCore}, load on core ${machine.loadCore} |\n` +
      `| memory | ${machine.memoryGb} GB |\n| system | ${machine.system} |\n| Node | ${machine.node} |\n` +
      `| load generator | wrk ${machine.wrk} (block F: open loop, Node) |\n| backend | ${machine.backend} (block F: Node) |\n` +
      versions.map((/** @type {any} */ one) => `| ${one.title} | ${one.version} |`).join('\n'),
    `Command: \`${['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' ')}\`, ${tookSeconds} s. ` +
      'Peers are installed by `test/bench/install-peers.sh`; their configurations are in `test/bench/rows`.',
  ];
  if (left.length > 0) {
    parts.push(`Left out: ${left.map((/** @type {any} */ one) => `${one.title} (${one.reason})`).join('; ')}.`);
  }
  parts.push('## Bars', table(['bar', 'measured', 'limit', ''], bars.map(barCells)));
  for (const block of Object.values(blocks))
    parts.push(...SECTIONS[/** @type {keyof typeof SECTIONS} */ (block.block)](block));
  return parts.join('\n\n') + '\n';
}

/** @param {import('./bars.mjs').Bar} bar */
function barCells({ title, figure, limit, unit, pass }) {
  const verdict = pass === undefined ? 'not measured' : pass ? 'pass' : '**miss**';
  return [title, figure === undefined ? '–' : `${digits(figure)} ${unit}`.trim(), `≤ ${limit} ${unit}`.trim(), verdict];
}

const SECTIONS = {
  A: (/** @type {any} */ { rows, connections, seconds, rounds }) => [
    `## A. Requests\n\nHTTP/1.1, ${connections} keep-alive connections, \`GET\` with 64 bytes of JSON, three backends; ${rounds} rounds of ${seconds} s.`,
    table(
      [
        '',
        'µs CPU/request',
        '× Envoy',
        '× Traefik',
        'requests/s',
        'p50 ms',
        'p99 ms',
        'failed',
        'busy',
        'core taken by others',
      ],
      rows.map((/** @type {any} */ row) => [
        row.title,
        row.usPerRequest.toFixed(1),
        ratio(rows, row, 'envoy', 'usPerRequest'),
        ratio(rows, row, 'traefik', 'usPerRequest'),
        Math.round(row.perSecond).toLocaleString('en'),
        (row.p50Us / 1e3).toFixed(2),
        (row.p99Us / 1e3).toFixed(2),
        row.failed,
        percent(row.busy),
        percent(row.foreign),
      ]),
    ),
  ],
  B: (/** @type {any} */ { rows, few, many, rounds }) => [
    `## B. Idle connections\n\nResident memory of a fresh proxy, kB per open connection: silent ones, then after one request on each; ${rounds} rounds.`,
    table(
      [
        '',
        'at rest MB',
        `${few.toLocaleString('en')} silent`,
        `${many.toLocaleString('en')} silent`,
        `${many.toLocaleString('en')} after a request`,
      ],
      rows.map((/** @type {any} */ row) => [
        row.title,
        row.restMb.toFixed(1),
        ...[row.fewBytes, row.manyBytes, row.askedBytes].map((bytes) => (bytes / 1e3).toFixed(2)),
      ]),
    ),
  ],
  C: (/** @type {any} */ { rows, kinds, seconds, rounds }) => [
    `## C. Large bodies\n\nMB for each second of CPU time of the proxy (more is better); ${rounds} rounds of ${seconds} s.`,
    table(
      ['', ...kinds.map((/** @type {any} */ kind) => kind.title), 'failed'],
      rows.map((/** @type {any} */ row) => [
        row.title,
        ...kinds.map((/** @type {any} */ kind) => Math.round(row.mbPerCpuSecond[kind.key]).toLocaleString('en')),
        row.failed,
      ]),
    ),
  ],
  D: (/** @type {any} */ { rows, services, endpoints, picks, rounds }) => [
    `## D. Many services\n\n${services.toLocaleString('en')} services of ${endpoints} endpoints, against one service of ${endpoints}; requests go round over all; ${rounds} rounds.`,
    table(
      [
        '',
        'added MB',
        'bytes/endpoint',
        'MB after load',
        'ready ms',
        'µs/request, 1 service',
        'µs/request, all',
        'failed',
      ],
      rows.map((/** @type {any} */ row) => [
        row.title,
        row.addedMb.toFixed(1),
        Math.round(row.bytesPerEndpoint),
        row.loadedMb.toFixed(1),
        Math.round(row.readyMs),
        row.oneUs.toFixed(1),
        row.spreadUs.toFixed(1),
        row.failed,
      ]),
    ),
    picks.length === 0
      ? 'Cost of a pick: not measured, no compiled picker found.'
      : table(
          ['picker', 'endpoints', 'ns/pick'],
          picks.map((/** @type {any} */ one) => [one.policy, one.endpoints, Math.round(one.ns)]),
        ),
  ],
  E: (/** @type {any} */ { rows, rounds }) => [
    `## E. Start\n\nFrom spawn to the first 200, of \`/readyz\` for Pilotfish, of a proxied request for its peers; pinned to one core; ${rounds} starts.`,
    table(
      ['', 'ready ms', 'worst ms', 'MB at rest'],
      rows.map((/** @type {any} */ row) => [
        row.title,
        Math.round(row.readyMs),
        Math.round(row.worstMs),
        row.rssMb.toFixed(1),
      ]),
    ),
  ],
  F: (/** @type {any} */ { rows, perSecond, seconds, rounds }) => [
    `## F. A copy killed\n\n${perSecond} requests/s, open loop, latency from the time a request was due; three copies, one killed −9; ${rounds} rounds of ${seconds} s, latencies after 2 s.`,
    table(
      ['', 'requests', 'failed GET', 'failed POST', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'failures'],
      rows.map((/** @type {any} */ row) => [
        row.title,
        row.requests,
        row.failedGet,
        row.failedPost,
        ...[row.p50Ms, row.p99Ms, row.p999Ms, row.maxMs].map((ms) => ms.toFixed(1)),
        row.reasons,
      ]),
    ),
  ],
};

/** @param {any[]} rows @param {any} row @param {string} id @param {string} key */
function ratio(rows, row, id, key) {
  const other = rows.find((one) => one.id === id)?.[key];
  return other === undefined ? '–' : (row[key] / other).toFixed(2);
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/** @param {number} value */
function digits(value) {
  return Number.isInteger(value)
    ? String(value)
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(2);
}
