// Sketch: the proxy that Node gives, `node:http` in front and undici behind; round-robin, no validation, no policy.
// node sketch-node-http.mjs PORT BACKEND_PORT,…
import { createServer } from 'node:http';
import { Pool } from 'undici';

const [port, backends = ''] = process.argv.slice(2);
const pools = backends.split(',').map((one) => new Pool(`http://127.0.0.1:${one}`, { connections: 256 }));
let turn = 0;
process.once('SIGTERM', () => process.exit(0)); // a profile is written at an exit of one's own

const server = createServer((request, response) => {
  const pool = pools[turn++ % pools.length];
  const bodiless = request.method === 'GET' || request.method === 'HEAD';
  pool.dispatch(
    {
      method: /** @type {import('undici').Dispatcher.HttpMethod} */ (request.method),
      path: request.url ?? '/',
      headers: endToEnd(request.rawHeaders),
      body: bodiless ? null : request,
    },
    {
      onRequestStart(controller) {
        response.on('drain', () => controller.resume());
        response.on('close', () => {
          if (!response.writableFinished) controller.abort(new Error('the client is gone'));
        });
      },
      onResponseStart(controller, status) {
        const raw = /** @type {Buffer[]} */ (controller.rawHeaders);
        response.writeHead(status, endToEnd(raw.map((one) => one.toString('latin1'))));
      },
      onResponseData(controller, chunk) {
        if (!response.write(chunk)) controller.pause();
      },
      onResponseEnd: () => void response.end(),
      onResponseError() {
        if (response.headersSent) response.destroy();
        else response.writeHead(502).end();
      },
    },
  );
});
server.keepAliveTimeout = 300_000;
server.listen(Number(port), '127.0.0.1', 4_096);

/** Names and values without the fields of one hop. @param {string[]} raw */
function endToEnd(raw) {
  const kept = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i].toLowerCase();
    if (name !== 'connection' && name !== 'keep-alive' && name !== 'transfer-encoding') kept.push(raw[i], raw[i + 1]);
  }
  return kept;
}
