// The demo's service: a small real HTTP server, one process for each copy. Not part of the sidecar.
import { createServer } from 'node:http';

/** Serves until SIGTERM, or until standard input ends: nothing outlives the demo. Prints its port as one line of JSON. */
export function runDemoApp(copy: string): Promise<number> {
  return new Promise((resolve) => {
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
    process.once('SIGTERM', () => server.close(() => resolve(0)));
    process.stdin.resume().once('end', () => resolve(0));
  });
}
