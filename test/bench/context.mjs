// What all blocks share: options, cores, backends, the rows that can run, and a proxy started from a row.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { startBackend } from './backend.mjs';
import { spend } from './load-closed.mjs';
import { killAll, start, stop } from './processes.mjs';
import { allRows } from './rows/index.mjs';
import { freePorts, ready } from './wait.mjs';

/**
 * @typedef {object} Proxy
 * @property {import('./rows/index.mjs').Row} row
 * @property {import('./processes.mjs').Running} process
 * @property {number} port
 * @property {string | undefined} logFile  where its standard output goes
 * @property {number} readyAfterMs  from spawn to the first 200
 * @property {(load: Omit<import('./load-closed.mjs').Load, 'port'>) => Promise<import('./load-closed.mjs').Spent>} spend
 * @property {() => Promise<void>} stop
 *
 * @typedef {Awaited<ReturnType<typeof createContext>>} Context
 */

/** @param {import('./options.mjs').Options} options */
export async function createContext(options) {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-bench-'));
  process.on('exit', () => {
    killAll(); // before the directory goes: they write into it
    rmSync(directory, { recursive: true, force: true });
  });
  const cores = options.cores ?? { proxy: availableParallelism() - 1, load: 0 };
  if (cores.proxy === cores.load)
    throw new Error('the bench needs two cores: one for the proxy, one for everything else');
  spawnSync('taskset', ['-a', '-cp', String(cores.load), String(process.pid)]);
  const backend = await startBackend(directory, cores.load);
  /** @type {{ row: import('./rows/index.mjs').Row, reason: string }[]} */
  const left = [];
  const rows = allRows.filter((row) => {
    const reason = options.rows?.includes(row.id) === false ? 'not asked for (--rows)' : row.missing();
    if (reason !== undefined) left.push({ row, reason });
    return reason === undefined;
  });
  let counter = 0;

  /**
   * Starts a row's proxy and waits until it serves; gives undefined, and notes the reason, when it does not.
   * @param {import('./rows/index.mjs').Row} row
   * @param {Partial<import('./rows/index.mjs').Where>} [where]  services default to `bench` with three copies
   * @returns {Promise<Proxy | undefined>}
   */
  async function startProxy(row, where = {}) {
    const own = join(directory, `${row.id}-${counter++}`);
    mkdirSync(own);
    const [port, adminPort] = await freePorts(2);
    const services = where.services ?? { bench: backend.ports.slice(0, 3) };
    const launch = row.launch({ ...where, directory: own, port, adminPort, services });
    const began = performance.now();
    const one = start({ name: row.id, core: cores.proxy, ...launch });
    const ok = await ready(launch.ready, one.alive);
    const readyAfterMs = performance.now() - began;
    if (!ok) {
      await stop(one);
      note(
        row,
        `did not start: ${one.complaint().replaceAll(own, '.').split('\n').slice(-3).join(' | ') || 'no answer within 20 s'}`,
      );
      return undefined;
    }
    return {
      row,
      process: one,
      port,
      logFile: launch.stdoutFile,
      readyAfterMs,
      spend: (load) => spend({ ...load, port }, { pid: one.pid, cores }),
      stop: () => stop(one),
    };
  }

  /** A row that gave no figure, with the reason; printed and written with the results. */
  function note(/** @type {import('./rows/index.mjs').Row} */ row, /** @type {string} */ reason) {
    if (!left.some((one) => one.row === row && one.reason === reason)) left.push({ row, reason });
    say(`${row.title}: ${reason}`);
  }

  return { options, cores, backend, rows, left, directory, startProxy, note };
}

/** Progress, on stderr: standard output has the results alone. @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`);
}
