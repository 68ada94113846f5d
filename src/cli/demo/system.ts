// The demo's little system: copies of a service, a sidecar beside each, one more for the client, on a registry of files.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../util/clock.ts';

/** The program that is running: each process of the demo is one more of it. */
const MAIN = process.argv[1] ?? '';

/** One copy of the service with the sidecar beside it. */
export interface Copy {
  readonly name: string;
  readonly inbound: string;
  readonly admin: string;
  /** Ends both processes at once, as a crashed host does. */
  kill(): void;
  /** Stops the sidecar as a deployment does (SIGTERM, drain, exit 0), then the app; resolves with the sidecar's exit code. */
  drain(): Promise<number | undefined>;
}

export interface ClientSidecar {
  readonly outbound: string;
  readonly admin: string;
}

const READY_MS = 20_000;

/** Starts and ends the demo's processes; whatever happens, none is left behind. */
export class System {
  readonly directory = mkdtempSync(join(tmpdir(), 'pilotfish-demo-'));
  private readonly children = new Set<ChildProcess>();
  private copies = 0;

  /** A client-only sidecar: what an app that calls `orders` would have beside it. */
  async startClient(): Promise<ClientSidecar> {
    const sidecar = await this.startSidecar({});
    return { outbound: sidecar.addresses.get('outbound') ?? '', admin: sidecar.addresses.get('admin') ?? '' };
  }

  /** One more copy of `orders`, registered once its app is healthy. */
  async startCopy(): Promise<Copy> {
    const name = `orders-${++this.copies}`;
    const app = this.spawn([MAIN, 'demo', '--app', name], {});
    const port = await firstLine(app, (line) => (JSON.parse(line) as { port?: number }).port);
    const sidecar = await this.startSidecar({
      PILOTFISH_SERVICE: 'orders',
      PILOTFISH_INBOUND: '127.0.0.1:0',
      PILOTFISH_APP: `127.0.0.1:${port}`,
      PILOTFISH_ID: name,
      PILOTFISH_HEALTH: '/healthz',
      PILOTFISH_TTL: '3s',
    });
    await ready(sidecar.addresses.get('admin') ?? '');
    return {
      name,
      inbound: sidecar.addresses.get('inbound') ?? '',
      admin: sidecar.addresses.get('admin') ?? '',
      kill: () => {
        app.kill('SIGKILL');
        sidecar.child.kill('SIGKILL');
      },
      drain: async () => {
        const code = exitOf(sidecar.child);
        sidecar.child.kill('SIGTERM');
        const exit = await code;
        app.kill('SIGTERM');
        return exit;
      },
    };
  }

  /** Ends every process and removes the registry's directory. */
  close(): void {
    for (const child of this.children) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async startSidecar(
    env: Readonly<Record<string, string>>,
  ): Promise<{ child: ChildProcess; addresses: Map<string, string> }> {
    const child = this.spawn([MAIN, 'run'], {
      PILOTFISH_REGISTRY: `file://${this.directory}/registry`,
      PILOTFISH_OUTBOUND: '127.0.0.1:0',
      PILOTFISH_ADMIN: '127.0.0.1:0',
      PILOTFISH_CONFIG: '',
      ...env,
    });
    const addresses = new Map<string, string>();
    await firstLine(child, (line) => {
      const entry = JSON.parse(line) as { listener?: string; address?: string; msg?: string };
      if (entry.listener !== undefined && entry.address !== undefined) addresses.set(entry.listener, entry.address);
      return entry.msg === 'started' ? true : undefined;
    });
    return { child, addresses };
  }

  private spawn(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
    const inherited = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('PILOTFISH_')),
    );
    // Standard input stays open as long as we live: a child that watches it ends with us, however we end.
    const child = spawn(process.execPath, args, { env: { ...inherited, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }
}

/** Resolves once that sidecar is ready: its app is healthy and registered. */
async function ready(admin: string): Promise<void> {
  for (const endMs = systemClock.now() + READY_MS; systemClock.now() < endMs;) {
    const { status } = await fetch(`http://${admin}/readyz`);
    if (status === 200) return;
    await new Promise<void>((resolve) => systemClock.setTimer(20, resolve));
  }
  throw new Error(`a sidecar of the demo was not ready within ${READY_MS / 1_000} s`);
}

/** Reads lines until `pick` makes something of one; from then on the pipe is only emptied. Rejects when the process ends first. */
function firstLine<T>(child: ChildProcess, pick: (line: string) => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const { stdout } = child;
    if (stdout === null) {
      reject(new Error('a process without an output'));
      return;
    }
    const seen: string[] = [];
    const lines = createInterface({ input: stdout }).on('line', (line) => {
      if (seen.push(line) > 20) seen.shift();
      const found = line.startsWith('{') ? pick(line) : undefined;
      if (found === undefined) return;
      resolve(found);
      lines.close();
      stdout.resume();
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(
        new Error(`a process of the demo ended with ${code ?? 'a signal'} before it was ready: ${seen.join(' | ')}`),
      ),
    );
  });
}

function exitOf(child: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? undefined)));
}
