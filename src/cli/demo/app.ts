// The demo's service: a small real HTTP server, one process for each copy. Not part of the sidecar.
import { createServer } from 'node:http';

const copy = process.argv[2] ?? 'copy';

const server = createServer((request, response) => {
  if (request.url === '/healthz') {
    response.end('ok\n');
    return;
  }
  const body = JSON.stringify({ service: 'orders', copy, path: request.url });
  request.resume().once('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(body);
  });
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 })}\n`);
});
process.once('SIGTERM', () => server.close(() => process.exit(0)));
// Nothing outlives the demo: when its end of the pipe closes, so do we.
process.stdin.resume().once('end', () => process.exit(0));
