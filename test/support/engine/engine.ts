// Which container engine there is to test with: one that answers, else one of our own, else a loud skip.
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reportMissing } from '../missing.ts';
import { Docker } from './docker.ts';

/** An engine until `close`. */
export interface Engine {
  readonly docker: Docker;
  /** Started by us, and empty: images may be given official names in it, and it is thrown away at the end. */
  readonly isOwn: boolean;
  /** Ends it where it is ours, with all that runs in it. */
  close(): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('engine.sh', import.meta.url));
const NEEDED = ['bash', 'dockerd', 'ip', 'unshare', 'setpriv'] as const;
/** Longest start of our own; ordinary is 1 s. */
const START_MS = 40_000;

/**
 * An engine that answers, else one started from Debian's `docker.io`. None: undefined and the reason on the terminal, or an
 * error where `PILOTFISH_REQUIRE_ENGINE=1`.
 */
export async function findEngine(): Promise<Engine | undefined> {
  const found = await answeringEngine();
  if (typeof found !== 'string') return found;
  const own = await ownEngine(found);
  if (typeof own !== 'string') return own;
  reportMissing('container engine', own, process.env['PILOTFISH_REQUIRE_ENGINE'] === '1');
  return undefined;
}

/** The one that `DOCKER_HOST` or docker's own configuration names, or why there is none that could be used. */
export async function answeringEngine(): Promise<Engine | string> {
  if (!isOnPath('docker')) return 'no docker in the path';
  const docker = new Docker();
  // What is published there would not be on 127.0.0.1.
  if (/^(tcp|ssh|https?):/.test(process.env['DOCKER_HOST'] ?? '')) return 'DOCKER_HOST names an engine of another host';
  if ((await docker.version()) === undefined) return 'no engine answers';
  return { docker, isOwn: false, close: () => Promise.resolve() };
}

/** @param why there is no other */
async function ownEngine(why: string): Promise<Engine | string> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return `${why}, and only root on Linux may start one`;
  const absent = ['docker', ...NEEDED].filter((tool) => !isOnPath(tool));
  if (absent.length > 0) return `${why}, and to start one there is no ${absent.join(', no ')}`;
  try {
    return await startEngine();
  } catch (error) {
    return `${why}, and one of our own does not start: ${String(error)}`;
  }
}

async function startEngine(): Promise<Engine> {
  // It lives as long as its standard input: a killed test run takes it along, and a killed process group leaves it to clean up.
  const child = spawn('bash', [SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async (): Promise<void> => {
    child.stdin.destroy();
    await ended;
  };
  try {
    return { docker: new Docker(await hostOf(child)), isOwn: true, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The first line of its output. */
function hostOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let [out, err] = ['', ''];
    const timer = setTimeout(() => reject(new Error(`not within ${START_MS} ms`)), START_MS);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      const end = out.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      resolve(out.slice(0, end));
    });
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      reject(new Error(err.trim()));
    });
  });
}

function isOnPath(file: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, file), constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
}
