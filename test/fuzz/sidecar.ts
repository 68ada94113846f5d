// A real sidecar for the fuzzer: its inbound listener in front of an upstream of ours, and what it says of itself.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../bin/pilotfish.js', import.meta.url));
const READY_MS = 20_000;
/** pino's number of `error`. */
const ERROR = 50;

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly listener?: string;
  readonly address?: string;
}

/** `pilotfish run` beside `appPort`, without access lines. */
export class FuzzedSidecar {
  port = 0;
  /** Log lines that tell of a bug, and an end that nobody asked for. */
  readonly complaints: string[] = [];
  private admin = '';
  private isStopping = false;
  private readonly directory = mkdtempSync(join(tmpdir(), 'pilotfish-fuzz-'));
  private readonly child: ChildProcess;
  private readonly started: Promise<void>;

  constructor(appPort: number) {
    const file = join(this.directory, 'pilotfish.yaml');
    const listeners = 'listeners: { inbound: { address: "127.0.0.1:0" }, outbound: { address: "127.0.0.1:0" } }';
    writeFileSync(
      file,
      `service: { name: shop, app: "127.0.0.1:${appPort}" }\n` +
        `${listeners}\nadmin: { address: "127.0.0.1:0" }\nlog: { access: false }\ndrain: { settle: 0s, timeout: 2s }\n`,
    );
    this.child = spawn(process.execPath, [MAIN, 'run', '-c', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PILOTFISH_REGISTRY: `file://${this.directory}/registry` },
    });
    this.child.once('exit', (code, signal) => {
      if (!this.isStopping) this.complaints.push(`the sidecar ended by itself: ${signal ?? code ?? ''}`);
    });
    this.started = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the sidecar did not start')), READY_MS);
      const { stdout } = this.child;
      if (stdout === null) throw new Error('its output is a pipe');
      createInterface(stdout).on('line', (text) => {
        const line = JSON.parse(text) as LogLine;
        if (line.level >= ERROR) this.complaints.push(text);
        if (line.listener === 'inbound') this.port = Number(line.address?.split(':').at(-1));
        if (line.listener === 'admin') this.admin = line.address ?? '';
        if (line.msg === 'started') {
          clearTimeout(timer);
          resolve();
        }
      });
    });
  }

  /** Resolves once it is ready: the app is up and registered. */
  async ready(): Promise<void> {
    await this.started;
    for (const untilMs = performance.now() + READY_MS; performance.now() < untilMs;) {
      const { status } = await fetch(`http://${this.admin}/readyz`);
      if (status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the sidecar did not get ready');
  }

  /** Messages that it has answered or refused, from its metrics. */
  async judged(): Promise<number> {
    const text = await (await fetch(`http://${this.admin}/metrics`)).text();
    let sum = 0;
    for (const [, value] of text.matchAll(/^pilotfish_requests_total\{[^}]*direction="inbound"[^}]*\} (\d+)/gm))
      sum += Number(value);
    return sum;
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
