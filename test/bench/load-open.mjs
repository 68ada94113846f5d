// Open-loop load: requests leave when they are due, whatever became of those before, and are measured from that moment.
// node load-open.mjs '{"port":…,"perSecond":400,"seconds":10,"host":"bench","postEvery":2}' prints one line of JSON:
// [dueMs, latencyMs, "GET" | "POST", failure or ""] for every request.
import { Agent, request } from 'node:http';
import { parse } from './json.mjs';

/** @type {{ port: number, perSecond: number, seconds: number, host: string, postEvery: number }} */
const plan = parse(process.argv[2] ?? '{}');
const { port, perSecond, seconds, host, postEvery } = plan;
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 256 });
const TIMEOUT_MS = 5_000;
const BODY = JSON.stringify({ order: 7 });
const total = perSecond * seconds;
/** @type {[number, number, string, string][]} */
const results = [];
const began = performance.now();
let sent = 0;

/** Sends all that is due and comes back at the next due time; timers have a grain of about 1 ms. */
function tick() {
  const now = performance.now() - began;
  while (sent < total && (sent * 1_000) / perSecond <= now) {
    const number = sent++;
    send((number * 1_000) / perSecond, number % postEvery === postEvery - 1 ? 'POST' : 'GET');
  }
  if (sent < total) setTimeout(tick, Math.max(0, (sent * 1_000) / perSecond - (performance.now() - began)));
}

/** @param {number} dueMs @param {'GET' | 'POST'} method */
function send(dueMs, method) {
  let over = false;
  const done = (/** @type {string} */ failure) => {
    if (over) return;
    over = true;
    results.push([dueMs, performance.now() - began - dueMs, method, failure]);
    if (results.length === total) report();
  };
  const headers =
    method === 'POST' ? { host, 'content-type': 'application/json', 'content-length': BODY.length } : { host };
  const one = request({ port, host: '127.0.0.1', method, path: '/', agent, headers, timeout: TIMEOUT_MS }, (answer) => {
    answer.on('error', (error) => done(error.message));
    answer.on('end', () => done(answer.statusCode === 200 ? '' : `status ${answer.statusCode}`));
    answer.resume();
  });
  one.on('timeout', () => one.destroy(new Error('timeout')));
  one.on('error', (error) => done(error.message));
  one.end(method === 'POST' ? BODY : undefined);
}

function report() {
  process.stdout.write(JSON.stringify(results) + '\n', () => process.exit(0));
}

tick();
