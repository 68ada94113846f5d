// One real server as a process of ours: started on ports of its own, stopped, frozen and ended by its pid.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAtExit } from '../children.ts';
import { awaitReady, OutputLines, type ServerRun } from './run.ts';

/** What is started, again and again with the same words. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Its own; the data are in `data`. */
  readonly directory: ServerDirectory;
}

/** Below what systems give to outgoing connections, so that nobody takes a port while its server is down. */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;

/** With it, a server ends with the test's process even where that is killed; ours is at least ended at exit. */
const diesWithParent = process.platform === 'linux' && spawnSync('setpriv', ['--version']).status === 0;

/** A server that can be killed, frozen and started again. */
export class ServerProcess implements ServerRun {
  readonly output = new OutputLines();
  private readonly what: ServerCommand;
  private child: ChildProcess | undefined = undefined;
  private ended: Promise<void> = Promise.resolve();

  constructor(what: ServerCommand) {
    this.what = what;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  async start(isReady: () => Promise<boolean>, withinMs = 30_000): Promise<void> {
    if (this.child !== undefined) throw new Error('the server is running');
    const { command, args, env, cwd } = this.what;
    const [file, ...words] = diesWithParent ? ['setpriv', '--pdeathsig', 'KILL', command, ...args] : [command, ...args];
    const child = spawn(file ?? command, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd,
      env: { ...process.env, ...env },
    });
    this.child = child;
    this.output.clear();
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => this.output.add(text));
    }
    killAtExit(child);
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        if (this.child === child) this.child = undefined;
        resolve();
      };
      child.once('exit', end);
      child.once('error', (error) => {
        this.output.add(`${error.message}\n`);
        end();
      });
    });
    await awaitReady(this, command, isReady, withinMs);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.child?.kill(signal);
    await this.ended;
  }

  freeze(): Promise<void> {
    this.child?.kill('SIGSTOP');
    return Promise.resolve();
  }

  thaw(): Promise<void> {
    this.child?.kill('SIGCONT');
    return Promise.resolve();
  }

  async wipe(): Promise<void> {
    await this.kill();
    await rm(join(this.what.directory.path, 'data'), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.kill(); // SIGKILL ends a frozen one, too.
    await this.what.directory.remove();
  }
}

/** Given away already, whether their server listens by now or not. */
const givenPorts = new Set<number>();

/** So many TCP ports on 127.0.0.1 that nobody listens on, also next to each other: `offsets` [0, 1000] asks for p and p + 1000. */
export async function freePorts(offsets: readonly number[]): Promise<number[]> {
  for (let tries = 0; tries < 200; tries++) {
    const first = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT - Math.max(...offsets)));
    const ports = offsets.map((offset) => first + offset);
    if (ports.some((port) => givenPorts.has(port))) continue;
    for (const port of ports) givenPorts.add(port);
    const free = await Promise.all(ports.map(isFree));
    if (free.every((one) => one)) return ports;
  }
  throw new Error('no free ports');
}

/** A directory that is one server's own. */
export interface ServerDirectory {
  readonly path: string;
  remove(): Promise<void>;
}

/** A directory of its own in the temporary directory. */
export function serverDirectory(name: string): ServerDirectory {
  const path = mkdtempSync(join(tmpdir(), `pilotfish-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
