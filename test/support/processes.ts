// Real processes for tests: started with their own environment, read line by line, and ended by their own id whatever happens.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { killAtExit } from './children.ts';
import { until } from './until.ts';

const MAIN = fileURLToPath(new URL('../../dist/bin/pilotfish.js', import.meta.url));

/** A process and everything that it has printed so far. */
export interface Running {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly stderr: string[];
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
}

/**
 * Starts `node` with these arguments; the process ends with the test at the latest. `PILOTFISH_*` of the outside are not passed on.
 * @param under a program that becomes ours, such as `prlimit`, with its arguments.
 */
export function startNode(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
): Running {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PILOTFISH_')));
  const [program = process.execPath, ...rest] = [...under, process.execPath, ...args];
  const child = spawn(program, rest, { env: { ...clean, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  const running: Running = {
    child,
    lines: [],
    stderr: [],
    exited: new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))),
  };
  collect(child.stdout, running.lines);
  collect(child.stderr, running.stderr);
  killAtExit(child);
  onTestFinished(() => void child.kill('SIGKILL'));
  return running;
}

/** `pilotfish …` as a user runs it. */
export function pilotfish(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
): Running {
  return startNode([MAIN, ...args], env, under);
}

/** A sidecar that is ready, with the addresses that its log told. */
export interface RunningSidecar extends Running {
  readonly outbound: { readonly host: string; readonly port: number };
  readonly inbound: { readonly host: string; readonly port: number } | undefined;
  readonly admin: { readonly host: string; readonly port: number };
}

/** `pilotfish run` on free ports. Resolves once it has logged `started` (listeners are bound; registration may still wait for the app). */
export async function startSidecar(
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
  under: readonly string[] = [],
): Promise<RunningSidecar> {
  const addresses = {
    PILOTFISH_INBOUND: '127.0.0.1:0',
    PILOTFISH_OUTBOUND: '127.0.0.1:0',
    PILOTFISH_ADMIN: '127.0.0.1:0',
  };
  const running = pilotfish(['run', ...args], { ...addresses, ...env }, under);
  const entries = (): LogEntry[] =>
    running.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogEntry);
  let exit: number | string | undefined;
  void running.exited.then((code) => (exit = code));
  await until('the sidecar has started', () => {
    if (exit !== undefined)
      throw new Error(`the sidecar ended with ${exit}: ${[...running.lines, ...running.stderr].join('\n')}`);
    return entries().some((entry) => entry.msg === 'started');
  });
  const address = (listener: string): { host: string; port: number } | undefined => {
    const text = entries().find((entry) => entry.listener === listener)?.address;
    if (text === undefined) return undefined;
    const colon = text.lastIndexOf(':');
    return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
  };
  const [outbound, admin] = [address('outbound'), address('admin')];
  if (outbound === undefined || admin === undefined) throw new Error('the sidecar did not log its addresses');
  return { ...running, outbound, admin, inbound: address('inbound') };
}

/** A directory of its own, gone with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

interface LogEntry {
  readonly msg?: string;
  readonly listener?: string;
  readonly address?: string;
}

function collect(stream: NodeJS.ReadableStream, into: string[]): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    into.push(...parts);
  });
}
