// One section of the page for each block.
import { rowOf } from './results.mjs';
import { table } from './table.mjs';

/** @typedef {import('./results.mjs').Requests} Requests */

/** @param {Requests} block */
export function requestsSection({ rows, connections, seconds, rounds }) {
  const ratio = (/** @type {Requests['rows'][number]} */ row, /** @type {string} */ id) => {
    const other = rowOf({ rows }, id);
    return other === undefined ? '–' : (row.usPerRequest / other.usPerRequest).toFixed(2);
  };
  return section(
    'A. Requests',
    `HTTP/1.1, ${connections} keep-alive connections, \`GET\` with 64 bytes of JSON, three backends; ${rounds} rounds of ` +
      `${seconds} s. *busy*: share of the time in which the proxy computed; *others*: share of its core that others took.`,
    ['', 'µs CPU/request', '× Envoy', '× Traefik', 'requests/s', 'p50 ms', 'p99 ms', 'failed', 'busy', 'others'],
    rows.map((row) => [
      row.title,
      row.usPerRequest.toFixed(1),
      ratio(row, 'envoy'),
      ratio(row, 'traefik'),
      whole(row.perSecond),
      (row.p50Us / 1e3).toFixed(2),
      (row.p99Us / 1e3).toFixed(2),
      row.failed,
      `${whole(row.busy * 100)} %`,
      `${whole(row.foreign * 100)} %`,
    ]),
  );
}

/** @param {import('./results.mjs').Idle} block */
export function idleSection({ rows, few, many, rounds }) {
  return section(
    'B. Idle connections',
    `Resident memory of a fresh proxy, kB per open connection: silent ones, then after one request on each; ${rounds} rounds.`,
    ['', 'at rest MB', `${whole(few)} silent`, `${whole(many)} silent`, `${whole(many)} after a request`],
    rows.map((row) => [
      row.title,
      row.restMb.toFixed(1),
      ...[row.fewBytes, row.manyBytes, row.askedBytes].map((bytes) => (bytes / 1e3).toFixed(2)),
    ]),
  );
}

/** @param {import('./results.mjs').Bodies} block */
export function bodiesSection({ rows, kinds, seconds, rounds }) {
  return section(
    'C. Large bodies',
    `MB for each second of CPU time of the proxy (more is better); ${rounds} rounds of ${seconds} s.`,
    ['', ...kinds.map((kind) => kind.title), 'failed'],
    rows.map((row) => [row.title, ...kinds.map((kind) => whole(row.mbPerCpuSecond[kind.key])), row.failed]),
  );
}

/** @param {import('./results.mjs').Services} block */
export function servicesSection({ rows, services, endpoints, picks, rounds }) {
  const text = section(
    'D. Many services',
    `${whole(services)} services of ${endpoints} endpoints, against one service of ${endpoints}; requests go round over ` +
      `all of them; ${rounds} rounds. What it costs to watch as many in etcd, Consul and Nacos: [scale](scale.md).`,
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
    rows.map((row) => [
      row.title,
      row.addedMb.toFixed(1),
      whole(row.bytesPerEndpoint),
      row.loadedMb.toFixed(1),
      whole(row.readyMs),
      row.oneUs.toFixed(1),
      row.spreadUs.toFixed(1),
      row.failed,
    ]),
  );
  if (picks.length === 0) return `${text}\n\nCost of a pick: not measured, no compiled picker found.`;
  const cells = picks.map((one) => [one.policy, whole(one.services), whole(one.endpoints), whole(one.ns)]);
  return `${text}\n\n${table(['picker', 'services', 'endpoints of each', 'ns/pick'], cells)}`;
}

/** @param {import('./results.mjs').Start} block */
export function startSection({ rows, rounds }) {
  return section(
    'E. Start',
    'From spawn to the first 200, of `/readyz` for Pilotfish, of a proxied request for its peers; pinned to one core; ' +
      `${rounds} starts.`,
    ['', 'ready ms', 'worst ms', 'MB at rest'],
    rows.map((row) => [row.title, whole(row.readyMs), whole(row.worstMs), row.rssMb.toFixed(1)]),
  );
}

/** @param {import('./results.mjs').Kill} block */
export function killSection({ rows, perSecond, seconds, rounds }) {
  return section(
    'F. A copy killed',
    `${perSecond} requests/s, open loop, latency from the time a request was due; three copies, one killed −9; ${rounds} ` +
      `rounds of ${seconds} s, latencies after 2 s. *Lost*: \`POST\`s that were under way while the copy died and ended with ` +
      'their connection. It may have executed them, so none of them may be sent again; how many there are is chance, and no ' +
      'proxy’s merit. *Failed*: all others.',
    ['', 'requests', 'failed GET', 'failed POST', 'lost POST', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'failures'],
    rows.map((row) => [
      row.title,
      whole(row.requests),
      row.failedGet,
      row.failedPost,
      row.lostPost,
      ...[row.p50Ms, row.p99Ms, row.p999Ms, row.maxMs].map((ms) => ms.toFixed(1)),
      row.reasons,
    ]),
  );
}

/** @param {import('./results.mjs').Crowd} block */
export function crowdSection({ rows, sizes, seconds, rounds }) {
  return section(
    'G. Many clients',
    'Answers/s of one core, by how many clients ask one request after the other, each on a connection of its own; ' +
      `${rounds} rounds of ${seconds} s. *p99*: with the most. Failed: 503, reset, or no answer within 10 s.`,
    ['', ...sizes.map((size) => `${whole(size)} clients`), 'of the first', 'p99 ms', 'failed'],
    rows.map((row) => [
      row.title,
      ...row.perSecond.map(whole),
      `${whole(((row.perSecond.at(-1) ?? 0) / (row.perSecond[0] ?? 1)) * 100)} %`,
      whole(row.p99Us / 1e3),
      row.failed,
    ]),
  );
}

/** @param {string} title @param {string} text @param {string[]} head @param {(string | number)[][]} rows */
function section(title, text, head, rows) {
  return `## ${title}\n\n${text}\n\n${table(head, rows)}`;
}

/** @param {number} value */
function whole(value) {
  return Math.round(value).toLocaleString('en');
}
