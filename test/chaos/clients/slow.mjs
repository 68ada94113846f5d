// Clients that take their time: a third sends its head byte by byte, a third its content, a third reads nothing of a long answer.
// node slow.mjs '{"port":…,"host":"orders","count":900,"seconds":10}' prints {"opened":…,"closed":…}: how many the proxy ended.
import { connect } from 'node:net';
import { parse } from '../../bench/json.mjs';

/** @type {{ port: number, host: string, count: number, seconds: number }} */
const { port, host, count, seconds } = parse(process.argv[2] ?? '{}');
const BYTE_EVERY_MS = 200;
const ANSWER_BYTES = 1_048_576;
const CONTENT = 100_000;
let opened = 0;
let closed = 0;
let isOver = false;

for (let i = 0; i < count; i++) {
  const socket = connect(port, '127.0.0.1', () => {
    opened++;
    begin(socket, i % 3);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => (isOver ? undefined : closed++));
}

setTimeout(() => {
  isOver = true;
  process.stdout.write(`${JSON.stringify({ opened, closed })}\n`, () => process.exit(0));
}, seconds * 1_000);

/** @param {import('node:net').Socket} socket @param {number} kind */
function begin(socket, kind) {
  if (kind === 2) {
    socket.pause();
    socket.write(`GET /bytes/${ANSWER_BYTES} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return;
  }
  socket.resume();
  if (kind === 0) drip(socket, `GET /well HTTP/1.1\r\nHost: ${host}\r\nX-Long: ${'x'.repeat(CONTENT)}`);
  else {
    socket.write(`POST /well HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${CONTENT}\r\n\r\n`);
    drip(socket, 'x'.repeat(CONTENT));
  }
}

/** @param {import('node:net').Socket} socket @param {string} text */
function drip(socket, text) {
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++] ?? 'x'), BYTE_EVERY_MS);
  socket.once('close', () => clearInterval(timer));
}
