// Clients that connect and say nothing. node idle.mjs '{"port":…,"count":400,"seconds":5}' prints {"connected":…,"closed":…}.
import { connect } from 'node:net';
import { parse } from '../../bench/json.mjs';

/** @type {{ port: number, count: number, seconds: number }} */
const { port, count, seconds } = parse(process.argv[2] ?? '{}');
let connected = 0;
let closed = 0;
for (let i = 0; i < count; i++) {
  const socket = connect(port, '127.0.0.1', () => connected++);
  socket.on('error', () => undefined);
  socket.on('close', () => closed++);
  socket.resume();
}
setTimeout(() => {
  process.stdout.write(`${JSON.stringify({ connected, closed })}\n`, () => process.exit(0));
}, seconds * 1_000);
