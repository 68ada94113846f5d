// A backend that costs little: answers every request on a raw socket with one prepared answer of 64 bytes of JSON.
// node backend-node.mjs PORT,…
import { createServer } from 'node:net';
import { ANSWER } from './answer.mjs';

const MESSAGE = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n${ANSWER}`;

for (const port of (process.argv[2] ?? '').split(',')) {
  if (port === '') continue;
  createServer({ noDelay: true }, (socket) => {
    let text = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      let answers = '';
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) break;
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
        if (text.length < end + 4 + length) break;
        text = text.slice(end + 4 + length);
        answers += MESSAGE;
      }
      if (answers !== '') socket.write(answers);
    });
  }).listen(Number(port), '127.0.0.1', 4_096);
}
