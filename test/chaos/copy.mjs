// A copy of the service under test: answers, misbehaves as it is told, and writes down what it executed, so that a kill −9
// loses none of it.
// node copy.mjs '{"ports":[…],"controlPort":…,"log":"FILE","backlog":511}'; one line of JSON to the control port changes its
// faults. `GET /n/7` and `POST /n/7` are executed and logged as number 7; `/wait/200` answers after 200 ms, `/bytes/1048576`
// with so many bytes; anything else is a health check.
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { openSync, writeSync } from 'node:fs';
import { parse } from '../bench/json.mjs';

/**
 * @typedef {object} Faults       `…Every`: every so many requests, counted over all ports; 0: none
 * @property {number} delayMs     before each answer
 * @property {number} workers     serve what is executed, one request each for `delayMs`, in the order in which it came, also for
 *   clients that have gone meanwhile; 0: nothing waits for another
 * @property {number} resetEvery  executed, then reset instead of an answer
 * @property {number} cutEvery    ended within the answer: by a reset, by an end within a length, by an end within chunks
 * @property {number} unavailableEvery  503
 * @property {'announced' | 'at once' | number | false} hangUp  after an answer; a number: once idle for so many ms, unannounced
 * @property {number} answerBytes
 * @property {number} limit       requests in service on one port at a time, more of them are answered 503 at once; 0: no limit
 */

/** @type {{ ports: number[], controlPort: number, log: string, backlog: number }} */
const { ports, controlPort, log, backlog } = parse(process.argv[2] ?? '{}');
const HOST = '127.0.0.1';
const logFile = openSync(log, 'a');
const entry = Buffer.alloc(4);
/** @type {Faults} */
let faults = {
  delayMs: 0,
  workers: 0,
  resetEvery: 0,
  cutEvery: 0,
  unavailableEvery: 0,
  hangUp: false,
  answerBytes: 64,
  limit: 0,
};
let count = 0;
let cuts = 0;
/** @type {(() => void)[]} */
const waiting = [];
let working = 0;

/** @typedef {import('node:http').IncomingMessage} Request @typedef {import('node:http').ServerResponse} Response */

/** @param {Request} request @param {Response} response @param {{ inService: number }} door */
function act(request, response, door) {
  const [, kind = '', value = ''] = /^\/(n|wait|bytes)\/(\d+)$/.exec(request.url ?? '') ?? [];
  if (kind === 'bytes') response.end(Buffer.alloc(Number(value), 'x'));
  else if (kind === 'wait') setTimeout(() => response.end('waited\n'), Number(value));
  else if (kind === 'n') execute(request, response, door, value);
  else response.end('well\n');
}

/** @param {Request} request @param {Response} response @param {{ inService: number }} door @param {string} number */
function execute(request, response, door, number) {
  if (faults.limit > 0 && door.inService >= faults.limit) {
    refuse(response);
    return;
  }
  count++;
  entry.writeUInt32LE(Number(number));
  writeSync(logFile, entry);
  if (isDue(faults.resetEvery)) {
    request.socket.resetAndDestroy();
    return;
  }
  if (isDue(faults.unavailableEvery)) {
    refuse(response);
    return;
  }
  door.inService++;
  response.once('close', () => door.inService--);
  if (faults.workers > 0) queue(() => answer(response, number));
  else if (faults.delayMs > 0) setTimeout(() => answer(response, number), faults.delayMs);
  else answer(response, number);
}

/** Waits for a worker, then for its work. @param {() => void} done */
function queue(done) {
  waiting.push(done);
  while (working < faults.workers && waiting.length > 0) {
    working++;
    work(waiting.shift());
  }
}

/** One worker: goes on as long as there is work, at the pace of the clock. @param {(() => void) | undefined} job */
function work(job, dueMs = performance.now() + faults.delayMs) {
  setTimeout(
    () => {
      job?.();
      const next = waiting.shift();
      if (next === undefined) working--;
      else work(next, dueMs + faults.delayMs);
    },
    Math.max(0, dueMs - performance.now()),
  );
}

/** @param {Response} response @param {string} number */
function answer(response, number) {
  const body = Buffer.alloc(faults.answerBytes, 'x');
  body.write(`${number} `, 'latin1');
  if (isDue(faults.cutEvery)) {
    cut(response, body);
    return;
  }
  const { hangUp } = faults;
  response.writeHead(200, {
    'content-length': body.length,
    // Named, so that Node does not announce how long it keeps the connection.
    connection: hangUp === 'announced' ? 'close' : 'keep-alive',
  });
  const { socket } = response;
  response.end(body, () => {
    if (hangUp === 'at once') socket?.end();
    else if (typeof hangUp === 'number') closeWhenIdle(socket, hangUp);
  });
}

/** @param {import('node:net').Socket | null} socket @param {number} afterMs */
function closeWhenIdle(socket, afterMs) {
  const timer = setTimeout(() => socket?.end(), afterMs);
  socket?.once('data', () => clearTimeout(timer));
  socket?.once('close', () => clearTimeout(timer));
}

/** Half of the answer and then no more, in three ways by turns. @param {Response} response @param {Buffer} body */
function cut(response, body) {
  const way = cuts++ % 3;
  response.writeHead(200, way === 2 ? {} : { 'content-length': body.length });
  const { socket } = response;
  response.write(body.subarray(0, body.length >> 1), () => {
    // Later, so that what was written is on its way and is not lost with a reset.
    setTimeout(() => {
      if (way === 0) socket?.resetAndDestroy();
      else socket?.end();
    }, 5);
  });
}

/** @param {Response} response */
function refuse(response) {
  response.writeHead(503, { connection: 'keep-alive', 'content-length': 0 });
  response.end();
}

/** @param {number} every */
function isDue(every) {
  return every > 0 && count % every === 0;
}

for (const port of ports) {
  const door = { inService: 0 };
  const server = createHttpServer({ keepAliveTimeout: 300_000 }, (request, response) => {
    request.once('end', () => act(request, response, door));
    request.resume();
  });
  server.listen({ port, host: HOST, backlog });
}

createServer((socket) => {
  let line = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    line += chunk.toString();
    if (!line.endsWith('\n')) return;
    /** @type {Partial<Faults>} */
    const changes = parse(line);
    faults = { ...faults, ...changes };
    socket.end('ok\n');
  });
}).listen(controlPort, HOST);
