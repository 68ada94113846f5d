// What one fault is played on: copies, one proxy in front of them, and nothing that outlives it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileLimit, start, stop } from '../bench/processes.mjs';
import { freePorts, ready } from '../bench/wait.mjs';
import { startCopy } from './copies.mjs';

/**
 * @typedef {object} Setting      what a fault needs that is not usual
 * @property {number} [copies]    default 3
 * @property {number} [ports]     that each copy listens on, an endpoint each; default 1
 * @property {number} [backlog]   connections that the kernel takes for a copy that does not
 * @property {boolean} [isUrgent] false: never at real-time priority, which no share of a core holds back
 * @property {number} [files]     open files that the proxy may have
 * @property {string} [upstream]  Pilotfish: `upstreams.orders`, as YAML in one line
 * @property {(stage: { directory: string, core: number, endpoints: number[] }) => Promise<Registry>} [registry]
 *
 * @typedef {object} Registry     one that is ours to break
 * @property {string} yaml        `registry:` in one line
 * @property {() => Promise<void>} close
 */

/** A fresh one for each fault and proxy. */
export class Stage {
  /**
   * @param {import('./proxies/index.mjs').ProxyKind} kind @param {Setting} setting
   * @param {{ directory: string, cores: { proxy: number, load: number }, isShort: boolean }} where
   */
  constructor(kind, setting, { directory, cores, isShort }) {
    this.kind = kind;
    this.setting = setting;
    this.directory = directory;
    this.cores = cores;
    this.isShort = isShort;
    /** @type {import('./copies.mjs').Copy[]} */
    this.copies = [];
    /** @type {Registry | undefined} */
    this.registry = undefined;
    /** @type {import('../bench/processes.mjs').Running | undefined} */
    this.process = undefined;
    this.port = 0;
    this.adminPort = 0;
    /** @type {(() => void)[]} */
    this.endings = [];
  }

  /** Starts everything; rejects with the reason where something does not start. */
  async open() {
    const { copies = 3, ports = 1, backlog, registry, files = fileLimit, isUrgent = true, upstream } = this.setting;
    mkdirSync(this.directory, { recursive: true });
    const { directory } = this;
    const core = this.cores.load;
    for (let i = 0; i < copies; i++) {
      this.copies.push(await startCopy({ directory, core, ports, ...(backlog === undefined ? {} : { backlog }) }));
    }
    this.registry = await registry?.({ directory, core, endpoints: this.endpoints });
    [this.port, this.adminPort] = await freePorts(2);
    const launch = this.kind.launch({
      directory,
      port: this.port,
      adminPort: this.adminPort,
      ports: this.endpoints,
      files,
      ...(this.registry === undefined ? {} : { registry: this.registry.yaml }),
      ...(upstream === undefined ? {} : { upstream }),
    });
    const argv = [...(isUrgent ? [] : ['chrt', '-o', '0']), 'prlimit', `--nofile=${files}:${files}`, ...launch.argv];
    const one = start({ name: this.kind.id, core: this.cores.proxy, ...launch, argv });
    this.process = one;
    if (await ready(launch.ready, one.alive)) return;
    throw new Error(`${this.kind.title} did not start: ${one.complaint().slice(-500)}`);
  }

  /** Ports of all endpoints, copy by copy. */
  get endpoints() {
    return this.copies.flatMap((copy) => copy.ports);
  }

  get pid() {
    if (this.process === undefined) throw new Error('the stage is not open');
    return this.process.pid;
  }

  /** Has the proxy survived? */
  get isAlive() {
    return this.process?.alive() === true;
  }

  /** Runs when the proxy has ended. @param {() => void} ending */
  atEnd(ending) {
    this.endings.push(ending);
  }

  async close() {
    if (this.process !== undefined) {
      if (this.isAlive) process.kill(this.pid, 'SIGCONT');
      await stop(this.process);
    }
    for (const ending of this.endings) ending();
    await Promise.all(this.copies.map((copy) => copy.kill()));
    await this.registry?.close();
  }
}

/** A directory for one fault and proxy. @param {string} root @param {string} fault @param {string} proxy */
export function stageDirectory(root, fault, proxy) {
  return join(root, `${fault}-${proxy}`);
}
