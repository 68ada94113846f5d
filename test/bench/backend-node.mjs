// A backend that costs little: reads every request whole on a raw socket, bodies by Content-Length, and gives one
// prepared answer with 64 bytes of JSON.
// node backend-node.mjs PORT,…
import { createServer } from 'node:net';
import { ANSWER } from './answer.mjs';

const MESSAGE = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n${ANSWER}`;

/** @param {import('node:net').Socket} socket */
function serve(socket) {
  let head = '';
  let bodyLeft = -1; // -1: within a head
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    let answers = '';
    for (let at = 0; at < chunk.length;) {
      if (bodyLeft < 0) {
        const before = head.length;
        head += chunk.toString('latin1', at);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) break;
        at += end + 4 - before;
        bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))?.[1] ?? 0);
        if (/\r\nexpect: *100-continue/i.test(head.slice(0, end))) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        head = '';
      }
      const part = Math.min(bodyLeft, chunk.length - at);
      bodyLeft -= part;
      at += part;
      if (bodyLeft > 0) break;
      bodyLeft = -1;
      answers += MESSAGE;
    }
    if (answers !== '') socket.write(answers);
  });
}

for (const port of (process.argv[2] ?? '').split(',')) {
  createServer({ noDelay: true }, serve).listen(Number(port), '127.0.0.1', 4_096);
}
