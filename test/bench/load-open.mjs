// Open-loop load: requests leave when they are due, whatever became of those before, and are measured from that moment.
// node load-open.mjs '{"port":…,"perSecond":400,"seconds":10,"host":"bench","postEvery":2}' prints one line of JSON:
// [dueMs, latencyMs, "GET" | "POST", failure or "", number] for every request. With `numbered` the path is /n/<number> and the
// answer has to be `answerBytes` long and to begin with that number; with `beginAt` (ms since 1970) the first leaves then.
import { Agent, request } from 'node:http';
import { parse } from './json.mjs';

/**
 * @typedef {[dueMs: number, latencyMs: number, method: string, failure: string, number: number]} Answered
 * @type {{ port: number, perSecond: number, seconds: number, host: string, postEvery: number, numbered?: boolean,
 *   answerBytes?: number, beginAt?: number }}
 */
const plan = parse(process.argv[2] ?? '{}');
const { port, perSecond, seconds, host, postEvery, numbered = false, answerBytes } = plan;
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 256 });
const TIMEOUT_MS = 5_000;
/** The failure of an answer that ended in order and is shorter than it was meant to be. */
const CUT = 'a clean end of a cut answer';
const BODY = JSON.stringify({ order: 7 });
const total = perSecond * seconds;
/** @type {Answered[]} */
const results = [];
const began = plan.beginAt === undefined ? performance.now() : plan.beginAt - performance.timeOrigin;
let sent = 0;

/** Sends all that is due and comes back at the next due time; timers have a grain of about 1 ms. */
function tick() {
  const now = performance.now() - began;
  while (sent < total && (sent * 1_000) / perSecond <= now) {
    const number = sent++;
    send((number * 1_000) / perSecond, number % postEvery === postEvery - 1 ? 'POST' : 'GET', number);
  }
  if (sent < total) setTimeout(tick, Math.max(0, (sent * 1_000) / perSecond - (performance.now() - began)));
}

/** @param {number} dueMs @param {'GET' | 'POST'} method @param {number} number */
function send(dueMs, method, number) {
  let over = false;
  const done = (/** @type {string} */ failure) => {
    if (over) return;
    over = true;
    results.push([dueMs, performance.now() - began - dueMs, method, failure, number]);
    if (results.length === total) report();
  };
  const headers =
    method === 'POST' ? { host, 'content-type': 'application/json', 'content-length': BODY.length } : { host };
  const path = numbered ? `/n/${number}` : '/';
  const one = request({ port, host: '127.0.0.1', method, path, agent, headers, timeout: TIMEOUT_MS }, (answer) => {
    let bytes = 0;
    let start = '';
    answer.on('data', (/** @type {Buffer} */ chunk) => {
      if (bytes === 0) start = chunk.toString('latin1', 0, 16);
      bytes += chunk.length;
    });
    answer.on('error', (error) => done(error.message));
    answer.on('end', () => {
      const { statusCode, headers } = answer;
      if (statusCode !== 200) done(['status', statusCode, headers['x-pilotfish-code']].join(' ').trim());
      else if (answerBytes !== undefined && bytes !== answerBytes) done(CUT);
      else if (numbered && !start.startsWith(`${number} `)) done('the answer to another request');
      else done('');
    });
  });
  one.on('timeout', () => one.destroy(new Error('timeout')));
  one.on('error', (error) => done(error.message));
  one.end(method === 'POST' ? BODY : undefined);
}

function report() {
  process.stdout.write(JSON.stringify(results) + '\n', () => process.exit(0));
}

setTimeout(tick, Math.max(0, began - performance.now()));
