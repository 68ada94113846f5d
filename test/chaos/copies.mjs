// The copies that are called, as the one who breaks them sees them: processes that can be told, stopped, killed and started again.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start } from '../bench/processes.mjs';
import { freePorts, ready } from '../bench/wait.mjs';

const PROGRAM = fileURLToPath(new URL('copy.mjs', import.meta.url));
const BACKLOG = 511;

/** Starts one and waits until it answers. @param {{ directory: string, core: number, ports?: number, backlog?: number }} where */
export async function startCopy({ directory, core, ports = 1, backlog = BACKLOG }) {
  const [controlPort, ...own] = await freePorts(ports + 1);
  const copy = new Copy({ ports: own, controlPort, log: join(directory, `copy-${controlPort}.log`), backlog }, core);
  await copy.start();
  return copy;
}

export class Copy {
  /** @param {{ ports: number[], controlPort: number, log: string, backlog: number }} plan @param {number} core */
  constructor(plan, core) {
    this.plan = plan;
    this.core = core;
    /** @type {import('../bench/processes.mjs').Running | undefined} */
    this.process = undefined;
  }

  get ports() {
    return this.plan.ports;
  }

  /** Starts it, again after a kill: same ports, same log, no faults. */
  async start() {
    const argv = [process.execPath, PROGRAM, JSON.stringify(this.plan)];
    const one = start({ name: 'copy', argv, core: this.core });
    this.process = one;
    if (await ready({ port: this.ports[0], path: '/well' }, one.alive)) return;
    throw new Error(`a copy did not start: ${one.complaint()}`);
  }

  /** Changes its faults. @param {Partial<import('./copy.mjs').Faults>} faults @returns {Promise<void>} */
  tell(faults) {
    return new Promise((resolve, reject) => {
      const socket = connect(this.plan.controlPort, '127.0.0.1', () => socket.write(`${JSON.stringify(faults)}\n`));
      socket.once('data', () => resolve());
      socket.once('error', reject);
    });
  }

  /** −9. */
  async kill() {
    const one = this.process;
    if (one === undefined) return;
    this.process = undefined;
    process.kill(one.pid, 'SIGKILL'); // itself: looking for children first would take the CPU from who is measured
    await one.exited;
  }

  /** SIGSTOP: its sockets stay open, and nobody answers. */
  freeze() {
    if (this.process !== undefined) process.kill(this.process.pid, 'SIGSTOP');
  }

  thaw() {
    if (this.process !== undefined) process.kill(this.process.pid, 'SIGCONT');
  }

  /** Numbers of the requests that it executed, in order, over all its lives. */
  executed() {
    const bytes = readFileSync(this.plan.log);
    return Array.from({ length: bytes.length >> 2 }, (_, i) => bytes.readUInt32LE(i * 4));
  }
}
