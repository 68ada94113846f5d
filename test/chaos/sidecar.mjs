// What a running sidecar says of itself on its admin listener.
import { get } from 'node:http';
import { parse } from '../bench/json.mjs';
import { SERVICE } from './service.mjs';

/** `perf_hooks.monitorEventLoopDelay` measures from timer to timer: a loop without delay shows its resolution. */
const LOOP_RESOLUTION_MS = 20;

/** Tries of requests on endpoints so far. @param {number} adminPort */
export async function attemptsOf(adminPort) {
  return sum(await ask(adminPort, '/metrics'), `pilotfish_upstream_attempts_total{upstream="${SERVICE}"`);
}

/** p99 of the event loop's delay since this was asked last, in ms. @param {number} adminPort */
export async function loopDelayMs(adminPort) {
  const seconds = sum(await ask(adminPort, '/metrics'), 'nodejs_eventloop_lag_p99_seconds');
  return Math.max(0, seconds * 1_000 - LOOP_RESOLUTION_MS);
}

/** Lists that the watch has handed on so far. @param {number} adminPort */
export async function appliesOf(adminPort) {
  /** @type {{ watches: { stats: { applies: number } }[] }} */
  const registry = parse(await ask(adminPort, '/registry'));
  return registry.watches.reduce((all, { stats }) => all + stats.applies, 0);
}

/** Endpoints that are known now. @param {number} adminPort */
export async function endpointsOf(adminPort) {
  /** @type {{ upstreams: { endpoints: unknown[] }[] }} */
  const { upstreams } = parse(await ask(adminPort, '/upstreams'));
  return upstreams.reduce((all, { endpoints }) => all + endpoints.length, 0);
}

/** The body of one answer. @param {number} port @param {string} path @returns {Promise<string>} */
function ask(port, path) {
  return new Promise((resolve, reject) => {
    const one = get({ port, host: '127.0.0.1', path, agent: false, timeout: 5_000 }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (/** @type {string} */ chunk) => (text += chunk));
      answer.on('error', reject);
      answer.on('end', () => resolve(text));
    });
    one.on('timeout', () => one.destroy(new Error(`${path}: no answer within 5 s`)));
    one.on('error', reject);
  });
}

/** Of all series of a metrics page that begin so. @param {string} page @param {string} start */
function sum(page, start) {
  let total = 0;
  for (const line of page.split('\n')) if (line.startsWith(start)) total += Number(line.slice(line.lastIndexOf(' ')));
  return total;
}
