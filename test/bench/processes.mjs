// Starts, watches and ends the bench's own processes; whatever happens to the bench, none of them outlives it.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { processTree } from './accounting.mjs';

/** Open files that any of the processes may need: 10,000 connections on both sides and some more. */
const WANTED_FILES = 65_536;
const STDERR_TAIL = 4_000;
/** Block F gives one line for each of its requests. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/**
 * @typedef {object} Running
 * @property {string} name
 * @property {number} pid
 * @property {Promise<number | string>} exited  exit code, or the signal's name
 * @property {() => boolean} alive
 * @property {() => string} complaint  the end of what it wrote to stderr and stdout
 */

/** @type {Map<number, Running>} */
const running = new Map();
/** @type {Set<number>} */
const errands = new Set();
const canDieWithParent = spawnSync('setpriv', ['--pdeathsig', 'TERM', 'true']).status === 0;

/** Soft limit of open files that children get. */
export const fileLimit = Math.min(WANTED_FILES, hardFileLimit());

/**
 * Starts a program pinned to one core.
 * @param {{ name: string, argv: string[], core: number, env?: Record<string, string>, cwd?: string, stdoutFile?: string }} program
 * @returns {Running}
 */
export function start({ name, argv, core, env, cwd, stdoutFile }) {
  const [command = '', ...rest] = pinned(argv, core);
  const stdout = stdoutFile === undefined ? 'pipe' : openSync(stdoutFile, 'a');
  const child = spawn(command, rest, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', stdout, 'pipe'] });
  if (typeof stdout === 'number') closeSync(stdout);
  let tail = '';
  const keep = (/** @type {Buffer} */ chunk) => (tail = (tail + chunk.toString()).slice(-STDERR_TAIL));
  child.stderr?.on('data', keep);
  child.stdout?.on('data', keep);
  let alive = true;
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  }).finally(() => {
    alive = false;
    if (child.pid !== undefined) running.delete(child.pid);
  });
  const one = { name, pid: child.pid ?? 0, exited, alive: () => alive, complaint: () => tail.trim() };
  if (child.pid !== undefined) running.set(child.pid, one);
  return one;
}

/** Ends a process: one with children of its own is asked first, so that it buries them; else it is killed at once. */
export async function stop(/** @type {Running} */ one, graceMs = 2_000) {
  if (one.alive() && processTree(one.pid).length > 1) await ask(one, graceMs);
  if (one.alive()) killTree(one.pid);
  await one.exited;
}

/** Asks a process to end and waits for it at most `graceMs`. */
export async function ask(/** @type {Running} */ one, /** @type {number} */ graceMs) {
  process.kill(one.pid, 'SIGTERM');
  await Promise.race([one.exited, sleep(graceMs, undefined, { ref: false })]);
}

/** Runs a program to its end and gives its standard output; rejects when it fails or takes longer than `limitMs`. */
export async function output(/** @type {string[]} */ argv, /** @type {number} */ core, /** @type {number} */ limitMs) {
  const [command = '', ...rest] = pinned(argv, core);
  const result = promisify(execFile)(command, rest, { timeout: limitMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT });
  const { pid = 0 } = result.child;
  errands.add(pid);
  try {
    return (await result).stdout;
  } finally {
    errands.delete(pid);
  }
}

/** Ends everything that still runs, in order. */
export async function stopAll() {
  await Promise.all([...running.values()].map((one) => stop(one)));
}

/** Ends everything that still runs, at once. */
export function killAll() {
  for (const pid of [...running.keys(), ...errands]) killTree(pid);
  running.clear();
  errands.clear();
}

/** From now on an exit, an error or a signal takes all children along. */
export function endChildrenWithUs() {
  process.on('exit', killAll);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, () => process.exit(130));
}

/** The command that runs `argv` on one core, with many files, and not longer than this process lives. */
export function pinned(/** @type {string[]} */ argv, /** @type {number} */ core) {
  const prefix = ['prlimit', `--nofile=${fileLimit}:${fileLimit}`, 'taskset', '-c', String(core)];
  if (canDieWithParent) prefix.push('setpriv', '--pdeathsig', 'TERM');
  return [...prefix, ...argv];
}

/** @param {number} pid */
function killTree(pid) {
  for (const one of processTree(pid)) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // gone meanwhile
    }
  }
}

function hardFileLimit() {
  const match = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return match === null ? WANTED_FILES : Number(match[1]);
}
