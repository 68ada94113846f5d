// Closed-loop load by wrk: as many requests as the connections give, and what the proxy spent on them.
import { fileURLToPath } from 'node:url';
import { coreBusyNs, treeCpuNs } from './accounting.mjs';
import { output } from './processes.mjs';
import { parse } from './json.mjs';

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url));

/**
 * @typedef {object} Load
 * @property {number} port
 * @property {number} connections
 * @property {number} seconds
 * @property {string} [path]
 * @property {string} [host]
 * @property {number} [services]   go round over svc0 … svc(n-1)
 * @property {number} [bodyBytes]  POST that many bytes
 *
 * @typedef {object} Spent
 * @property {number} requests
 * @property {number} failed       socket errors, timeouts and answers that are not 2xx or 3xx
 * @property {number} bytes        read by the client
 * @property {number} perSecond
 * @property {number} p50Us
 * @property {number} p99Us
 * @property {number} cpuNs        of the proxy, user + system
 * @property {number} usPerRequest
 * @property {number} busy         share of the time in which the proxy computed; well below 1: the load was too light
 * @property {number} foreign      share of the proxy's core that others took
 */

/**
 * @param {Load} load
 * @param {{ pid: number, cores: { proxy: number, load: number } }} proxy
 * @returns {Promise<Spent>}
 */
export async function spend(load, { pid, cores }) {
  const cpuBefore = treeCpuNs(pid);
  const coreBefore = coreBusyNs(cores.proxy);
  const began = performance.now();
  const text = await output(command(load), cores.load, load.seconds * 1_000 + 30_000);
  const elapsedNs = (performance.now() - began) * 1e6;
  const cpuNs = treeCpuNs(pid) - cpuBefore;
  const coreNs = coreBusyNs(cores.proxy) - coreBefore;
  const line = /^RESULT (.*)$/m.exec(text)?.[1];
  if (line === undefined) throw new Error(`wrk gave no result: ${text.slice(-500)}`);
  /** @type {Record<string, number>} */
  const { requests, us, bytes, failed, p50Us, p99Us } = parse(line);
  return {
    requests,
    failed,
    bytes,
    perSecond: requests / (us / 1e6),
    p50Us,
    p99Us,
    cpuNs,
    usPerRequest: cpuNs / 1e3 / requests,
    busy: cpuNs / 1e3 / us,
    foreign: Math.max(0, coreNs - cpuNs) / elapsedNs,
  };
}

/** @param {Load} load */
export function command({ port, connections, seconds, path = '/', host = 'bench', services, bodyBytes }) {
  const argv = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', SCRIPT];
  if (services === undefined) argv.push('-H', `Host: ${host}`);
  argv.push(`http://127.0.0.1:${port}${path}`, '--');
  if (services !== undefined) argv.push(`services=${services}`);
  if (bodyBytes !== undefined) argv.push(`body=${bodyBytes}`);
  return argv;
}
