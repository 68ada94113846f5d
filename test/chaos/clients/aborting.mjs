// Clients that go before they are answered: by turns with an end, a reset, and in the middle of their own content.
// node aborting.mjs '{"port":…,"host":"orders","count":10000,"concurrent":200}' prints {"aborted":…}.
import { connect } from 'node:net';
import { parse } from '../../bench/json.mjs';

/** @type {{ port: number, host: string, count: number, concurrent: number }} */
const { port, host, count, concurrent } = parse(process.argv[2] ?? '{}');
/** The copies answer after this long, in ms; clients are gone before. */
const WAIT_MS = 500;
const MAX_STAY_MS = 100;
let begun = 0;
let aborted = 0;

function next() {
  if (begun >= count) return;
  const kind = begun++ % 3;
  const socket = connect(port, '127.0.0.1', () => {
    const head =
      kind === 2 ? `POST /wait/${WAIT_MS} HTTP/1.1\r\nContent-Length: 5000` : `GET /wait/${WAIT_MS} HTTP/1.1`;
    socket.write(`${head}\r\nHost: ${host}\r\n\r\n${kind === 2 ? 'x'.repeat(1_000) : ''}`);
    setTimeout(() => (kind === 1 ? socket.resetAndDestroy() : socket.destroy()), Math.random() * MAX_STAY_MS);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (++aborted === count) process.stdout.write(`${JSON.stringify({ aborted })}\n`, () => process.exit(0));
    next();
  });
}

for (let i = 0; i < concurrent; i++) next();
