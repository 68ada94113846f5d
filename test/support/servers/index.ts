// Which real servers there are to test against: named by variables, found as binaries, else a loud skip.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { reportMissing } from '../missing.ts';

/** A server, not yet asked what it is. */
export type FoundServer =
  /** It runs elsewhere and is not ours to kill. */
  | { readonly from: 'variable'; readonly name: string; readonly address: string }
  /** To be started by us. */
  | { readonly from: 'binary'; readonly name: string; readonly path: string };

/** One version of a server to test against. */
export interface ServerVersion {
  readonly found: FoundServer;
  /** Like `3.4.23`, as the server says itself. */
  readonly version: string;
}

/** What to look for. */
export interface ServerQuery {
  /** Directories of the cache are called `<name>-<version>`. */
  readonly name: string;
  /** Variable that names running ones, separated by spaces: `PILOTFISH_TEST_ETCD=h1:2379 h2:2379`. */
  readonly variable: string;
  /** File in a directory of the cache, and in `PATH` where `isOnPath`. */
  readonly file: string;
  readonly isOnPath?: boolean;
  /** Releases that Pilotfish is tested against, like `3.4`: each is there where all are required. */
  readonly releases: readonly string[];
  readonly versionOf: (found: FoundServer) => Promise<string>;
}

/** A run that leaves out a server which should be there is none: CI. */
const REQUIRES_ALL = process.env['PILOTFISH_REQUIRE_ALL'] === '1';

/** Where `npm run servers` puts what it builds: outside the checkout, kept between runs. */
export function cacheDirectory(): string {
  return process.env['PILOTFISH_CACHE'] ?? join(homedir(), '.cache', 'pilotfish');
}

/**
 * One server of each version, oldest first: those that the variable names (then only those), else that on the path and those
 * in the cache. None: an empty list, told once on the terminal. Throws where `PILOTFISH_REQUIRE_ALL=1` and a release is missing.
 */
export async function findServers(query: ServerQuery): Promise<ServerVersion[]> {
  const { name, file, variable, releases, versionOf } = query;
  const all = await Promise.all(candidates(query).map(async (found) => ({ found, version: await versionOf(found) })));
  const servers = all
    .filter((one, index) => all.findIndex(({ version }) => version === one.version) === index)
    .sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
  const reason = `not in ${cacheDirectory()} (npm run servers), and ${variable} is not set`;
  if (servers.length === 0) reportMissing(`real ${name}`, `no ${file}: ${reason}`);
  if (REQUIRES_ALL && servers.every(({ found }) => found.from === 'binary')) {
    const absent = releases.filter((release) => !servers.some(({ version }) => version.startsWith(`${release}.`)));
    if (absent.length > 0) reportMissing(`real ${name} ${absent.join(', ')}`, reason);
  }
  return servers;
}

/** In the short form the newest alone, unless all servers are required. */
export function forShortForm(servers: readonly ServerVersion[]): readonly ServerVersion[] {
  return REQUIRES_ALL ? servers : servers.slice(-1);
}

function candidates(query: ServerQuery): FoundServer[] {
  const { name } = query;
  const named = (process.env[query.variable] ?? '').split(/\s+/).filter((word) => word !== '');
  if (named.length > 0) return named.map((address) => ({ from: 'variable', name, address }));
  return [...onPath(query), ...inCache(query)].map((path) => ({ from: 'binary', name, path }));
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
    .map((entry) => join(root, entry, file));
}
