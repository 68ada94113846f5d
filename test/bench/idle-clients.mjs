// Holds connections that say nothing. Reads commands from its parent: `open N` (N in all), `ask` (one request on each);
// answers each with a line of JSON { open, failed }. Closes all when the parent goes.
// node idle-clients.mjs PORT
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const port = Number(process.argv[2]);
/** At most this many at once, below every backlog. */
const AT_ONCE = 200;
/** @type {Set<import('node:net').Socket>} */
const open = new Set();
let failed = 0;

/** @param {number} count */
async function openUpTo(count) {
  while (open.size < count && failed === 0) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - open.size) }, openOne));
  }
}

/** @returns {Promise<void>} */
function openOne() {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      open.add(socket);
      resolve();
    });
    socket.on('error', () => {
      failed++;
    });
    socket.on('close', () => {
      open.delete(socket);
      resolve();
    });
    socket.on('data', () => {});
  });
}

async function askAll() {
  const sockets = [...open];
  for (let i = 0; i < sockets.length; i += AT_ONCE) await Promise.all(sockets.slice(i, i + AT_ONCE).map(askOne));
}

/** @param {import('node:net').Socket} socket @returns {Promise<void>} */
function askOne(socket) {
  return new Promise((resolve) => {
    socket.once('data', () => resolve());
    socket.once('close', () => resolve());
    socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n');
  });
}

const commands = createInterface({ input: process.stdin });
commands.on('close', () => process.exit(0));
for await (const line of commands) {
  const [command, count] = line.split(' ');
  if (command === 'open') await openUpTo(Number(count));
  if (command === 'ask') await askAll();
  process.stdout.write(`${JSON.stringify({ open: open.size, failed })}\n`);
}
