// More requests than anybody can serve: open loop at `perSecond`, whose clients give up after `giveUpMs` and go; or, with 0 a
// second, as many as `connections` that ask one after the other are given. Prints {"sent":…,"ok":…,…} on one line.
// node flood.mjs '{"port":…,"host":"orders","perSecond":6000,"seconds":10,"connections":4000,"giveUpMs":1000}'
import { connect } from 'node:net';
import { parse } from '../../bench/json.mjs';
import { percentile } from '../../bench/statistics.mjs';

/**
 * @typedef {{ port: number, host: string, perSecond: number, seconds: number, connections: number, giveUpMs: number, first?: number }} Plan
 *   `first`: number of the first request
 *
 * @typedef {object} Flooded
 * @property {number} sent
 * @property {number} ok
 * @property {number} refused    503
 * @property {number} late       given up
 * @property {number} failed     anything else
 * @property {number} seconds
 * @property {number} p50Ms      of what was ok
 * @property {number} p99Ms
 * @property {number} p999Ms
 * @property {number} maxMs
 * @property {number} refusedP99Ms  of what was refused
 *
 * @typedef {{ socket: import('node:net').Socket, text: string, dueMs: number, isBusy: boolean }} Client
 */

/** @type {Plan} */
const { port, host, perSecond, seconds, connections, giveUpMs, first = 0 } = parse(process.argv[2] ?? '{}');
/** @type {Client[]} */
const idle = [];
/** In the order in which they asked. @type {Set<Client>} */
const busy = new Set();
/** @type {number[]} */ const okMs = [];
/** @type {number[]} */ const refusedMs = [];
let open = 0;
let sent = 0;
let late = 0;
let failed = 0;
const began = performance.now();
const now = () => performance.now() - began;
const endMs = seconds * 1_000;

function dial() {
  open++;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  /** @type {Client} */
  const client = { socket, text: '', dueMs: 0, isBusy: false };
  socket.on('data', (chunk) => onData(client, chunk));
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    open--;
    if (client.isBusy) end(client, 0);
    const at = idle.indexOf(client);
    if (at >= 0) idle.splice(at, 1);
  });
  return client;
}

/** @param {Client} client @param {number} dueMs */
function ask(client, dueMs) {
  client.dueMs = dueMs;
  client.isBusy = true;
  client.text = '';
  busy.add(client);
  client.socket.write(`GET /n/${first + sent} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
}

/** @param {Client} client @param {Buffer} chunk */
function onData(client, chunk) {
  if (!client.isBusy) return void client.socket.destroy();
  client.text += chunk.toString('latin1');
  const head = client.text.indexOf('\r\n\r\n');
  if (head < 0) return;
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(client.text)?.[1] ?? 0);
  if (client.text.length < head + 4 + length) return;
  end(client, Number(client.text.slice(9, 12)));
  if (/\r\nconnection: *close/i.test(client.text.slice(0, head + 2))) client.socket.destroy();
  else if (perSecond === 0 && now() < endMs) again(client);
  else idle.push(client);
}

/** @param {Client} client @param {number} status  0: none came */
function end(client, status) {
  client.isBusy = false;
  busy.delete(client);
  const tookMs = now() - client.dueMs;
  if (status === 200) okMs.push(tookMs);
  else if (status === 503) refusedMs.push(tookMs);
  else failed++;
}

/** @param {Client} client */
function again(client) {
  sent++;
  ask(client, now());
}

function tick() {
  const atMs = now();
  for (const client of busy) {
    if (atMs - client.dueMs < giveUpMs) break;
    busy.delete(client);
    client.isBusy = false;
    late++;
    client.socket.destroy();
  }
  const due = (Math.min(atMs, endMs) / 1_000) * perSecond;
  for (; sent < due; sent++) {
    const client = idle.pop() ?? (open < connections ? dial() : undefined);
    if (client === undefined)
      late++; // no connection left: this client stands in line outside until it goes
    else ask(client, (sent * 1_000) / perSecond);
  }
  if (atMs < endMs || (busy.size > 0 && atMs < endMs + giveUpMs + 100)) setTimeout(tick, 1);
  else report();
}

function report() {
  /** @type {Flooded} */
  const result = {
    sent,
    ok: okMs.length,
    refused: refusedMs.length,
    late,
    failed,
    seconds,
    p50Ms: percentile(okMs, 0.5),
    p99Ms: percentile(okMs, 0.99),
    p999Ms: percentile(okMs, 0.999),
    maxMs: percentile(okMs, 1),
    refusedP99Ms: percentile(refusedMs, 0.99),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

if (perSecond === 0) for (let i = 0; i < connections; i++) again(dial());
tick();
