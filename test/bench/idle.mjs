// Drives idle-clients.mjs: a process of its own, since ten thousand sockets would weigh on the bench itself.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pinned } from './processes.mjs';
import { parse } from './json.mjs';

const CLIENTS = fileURLToPath(new URL('idle-clients.mjs', import.meta.url));
const LIMIT_MS = 60_000;

/**
 * @param {number} port @param {number} core
 * @returns {{ say(command: string, expected: number): Promise<void>, close(): void }}  `say` rejects where another
 *   number of connections than expected is open afterwards
 */
export function connectIdle(port, core) {
  const [command = '', ...rest] = pinned([process.execPath, CLIENTS, String(port)], core);
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] }); // ends when its standard input does
  /** @type {AsyncIterator<string, undefined>} */
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async say(command, expected) {
      child.stdin.write(`${command}\n`);
      /** @type {NodeJS.Timeout | undefined} */
      let timer;
      /** @type {Promise<never>} */
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${command}: not done after ${LIMIT_MS / 1_000} s`)), LIMIT_MS);
      });
      const { value = '{}' } = await Promise.race([lines.next(), late]).finally(() => clearTimeout(timer));
      /** @type {{ open?: number, failed?: number }} */
      const { open, failed } = parse(value);
      if (open !== expected) throw new Error(`${command}: ${open} of ${expected} connections open, ${failed} failed`);
    },
    close: () => void child.kill('SIGKILL'),
  };
}
