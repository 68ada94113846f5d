// Waits of the bench, each with a bound: for a port, for an answer, for memory to come to rest.
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { treeRssBytes } from './accounting.mjs';

/** `count` loopback ports that are free now. @param {number} count @returns {Promise<number[]>} */
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
      return server;
    }),
  );
  const ports = servers.map((server) => /** @type {import('node:net').AddressInfo} */ (server.address()).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Status of one `GET` on a connection of its own; 0 where nothing answers. */
export function status(/** @type {number} */ port, path = '/', host = 'bench', timeoutMs = 2_000) {
  return /** @type {Promise<number>} */ (
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      let text = '';
      const done = () => {
        socket.destroy();
        resolve(Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0));
      };
      socket.setTimeout(timeoutMs, done);
      socket.once('error', done);
      socket.once('end', done);
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (text.includes('\r\n')) done();
      });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    })
  );
}

/**
 * Asks every 2 ms until the answer is 200.
 * @param {{ port: number, path: string, host?: string }} where
 * @param {() => boolean} alive  stops asking when the process has ended
 * @returns {Promise<boolean>}
 */
export async function ready({ port, path, host }, alive, limitMs = 20_000) {
  const end = performance.now() + limitMs;
  while (performance.now() < end && alive()) {
    if ((await status(port, path, host)) === 200) return true;
    await sleep(2);
  }
  return false;
}

/** Resident bytes once they moved by less than 0.5 % in `flatMs`, or at `limitMs`. @param {number} pid */
export async function settledRss(pid, flatMs = 1_000, limitMs = 6_000) {
  const step = 100;
  const end = performance.now() + limitMs;
  let reference = treeRssBytes(pid);
  let flat = 0;
  while (flat < flatMs && performance.now() < end) {
    await sleep(step);
    const now = treeRssBytes(pid);
    if (Math.abs(now - reference) <= reference * 0.005) flat += step;
    else {
      reference = now;
      flat = 0;
    }
  }
  return treeRssBytes(pid);
}
