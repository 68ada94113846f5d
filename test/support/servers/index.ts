// Which real servers there are to test against: named by variables, found as binaries, else a loud skip.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { reportMissing } from '../missing.ts';

/** A server of one version. */
export type FoundServer =
  /** It runs elsewhere and is not ours to kill. */
  | { readonly from: 'variable'; readonly name: string; readonly address: string }
  /** To be started by us. */
  | { readonly from: 'binary'; readonly name: string; readonly path: string };

/** What to look for. */
export interface ServerQuery {
  /** Directories of the cache are called `<name>-<version>`. */
  readonly name: string;
  /** Variable that names running ones, separated by spaces: `PILOTFISH_TEST_ETCD=h1:2379 h2:2379`. */
  readonly variable: string;
  /** File in a directory of the cache, and in `PATH` where `isOnPath`. */
  readonly file: string;
  readonly isOnPath?: boolean;
}

/** Where `npm run servers` puts what it builds: outside the checkout, kept between runs. */
export function cacheDirectory(): string {
  return process.env['PILOTFISH_CACHE'] ?? join(homedir(), '.cache', 'pilotfish');
}

/**
 * All that are there, in this order: named by the variable (then only those), on the path, in the cache (newest last).
 * None: an empty list, told once on the terminal, or an error where `PILOTFISH_REQUIRE_ALL=1`.
 */
export function findServers(query: ServerQuery): FoundServer[] {
  const { name } = query;
  const named = (process.env[query.variable] ?? '').split(/\s+/).filter((word) => word !== '');
  if (named.length > 0) return named.map((address) => ({ from: 'variable', name, address }));
  const found: FoundServer[] = [...onPath(query), ...inCache(query)].map((path) => ({ from: 'binary', name, path }));
  if (found.length === 0) {
    const reason = `no ${query.file}: not in ${cacheDirectory()} (npm run servers), and ${query.variable} is not set`;
    reportMissing(`real ${name}`, reason);
  }
  return found;
}

function onPath({ file, isOnPath = true }: ServerQuery): string[] {
  if (!isOnPath) return [];
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return directories
    .map((directory) => join(directory, file))
    .filter((path) => existsSync(path))
    .slice(0, 1);
}

function inCache({ name, file }: ServerQuery): string[] {
  const root = join(cacheDirectory(), 'servers');
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((entry) => entry.startsWith(`${name}-`) && existsSync(join(root, entry, file)))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((entry) => join(root, entry, file));
}
