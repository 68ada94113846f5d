// Which real servers there are to test against: named by variables, official images, found as binaries, else a loud skip.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { answeringEngine } from '../engine/engine.ts';
import { serverImages } from '../engine/images.ts';
import { reportMissing } from '../missing.ts';

/** A server, not yet asked what it is. */
export type FoundServer =
  /** It runs elsewhere and is not ours to kill. */
  | { readonly from: 'variable'; readonly name: string; readonly address: string }
  /** To be started by us, in a container of testcontainers. */
  | { readonly from: 'image'; readonly name: string; readonly image: string }
  /** To be started by us, as a process. */
  | { readonly from: 'binary'; readonly name: string; readonly path: string };

/** A server that we start, and that is ours to break. */
export type OwnedServer = Exclude<FoundServer, { readonly from: 'variable' }>;

/** One version of a server to test against. */
export interface ServerVersion {
  readonly found: FoundServer;
  /** Like `3.4.23`, as the server says itself. */
  readonly version: string;
}

/** A version that we start. */
export interface OwnedVersion extends ServerVersion {
  readonly found: OwnedServer;
}

/** Without those that run elsewhere. */
export function owned(servers: readonly ServerVersion[]): readonly OwnedVersion[] {
  return servers.filter((one): one is OwnedVersion => one.found.from !== 'variable');
}

/** What to look for. */
export interface ServerQuery {
  /** Directories of the cache are called `<name>-<version>`. */
  readonly name: string;
  /** Variable that names running ones, separated by spaces: `PILOTFISH_TEST_ETCD=h1:2379 h2:2379`. */
  readonly variable: string;
  /** Repository of its official images, of which images.txt has the versions. */
  readonly image: string;
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
 * One server of each version, oldest first: those that the variable names (then only those); else official images, where an
 * engine answers; and, of versions that those lack, that on the path and those in the cache. None: an empty list, told once on
 * the terminal. Throws where `PILOTFISH_REQUIRE_ALL=1` and a release is missing.
 */
export async function findServers(query: ServerQuery): Promise<ServerVersion[]> {
  const { name, file, variable, releases, versionOf } = query;
  const found = named(query) ?? [...(await images(query)), ...onPath(query), ...inCache(query)];
  const all = await Promise.all(found.map(async (one) => ({ found: one, version: await versionOf(one) })));
  const servers = all
    .filter((one, index) => all.findIndex(({ version }) => version === one.version) === index)
    .sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
  const reason = `not in ${cacheDirectory()} (npm run servers), and ${variable} is not set`;
  if (servers.length === 0) reportMissing(`real ${name}`, `no ${file}: ${reason}`);
  if (REQUIRES_ALL && servers.every(({ found: { from } }) => from !== 'variable')) {
    const absent = releases.filter((release) => !servers.some(({ version }) => version.startsWith(`${release}.`)));
    if (absent.length > 0) reportMissing(`${name} ${absent.join(', ')}`, reason);
  }
  return servers;
}

/** `1.20.5` of `hashicorp/consul:1.20.5`, and of `…:v1.20.5`. */
export function versionOfImage(image: string): string {
  return image.replace(/^.*:v?/, '');
}

/** In the short form the newest alone, unless all servers are required. */
export function forShortForm<T extends ServerVersion>(servers: readonly T[]): readonly T[] {
  return REQUIRES_ALL ? servers : servers.slice(-1);
}

function named({ name, variable }: ServerQuery): FoundServer[] | undefined {
  const words = (process.env[variable] ?? '').split(/\s+/).filter((word) => word !== '');
  return words.length === 0 ? undefined : words.map((address) => ({ from: 'variable', name, address }));
}

async function images({ name, image: repository }: ServerQuery): Promise<FoundServer[]> {
  const engine = await answeringEngine();
  const isRequired = process.env['PILOTFISH_REQUIRE_ENGINE'] === '1';
  if (typeof engine === 'string') {
    if (isRequired) reportMissing(`container of ${name}`, engine, isRequired);
    return []; // Binaries may do.
  }
  const { there, missing } = await serverImages(engine, repository);
  for (const [image, reason] of missing) reportMissing(`image ${image}`, reason, isRequired && there.length === 0);
  return there.map((image) => ({ from: 'image', name, image }));
}

function onPath({ name, file, isOnPath = true }: ServerQuery): FoundServer[] {
  if (!isOnPath) return [];
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return directories
    .map((directory) => join(directory, file))
    .filter((path) => existsSync(path))
    .slice(0, 1)
    .map((path) => ({ from: 'binary', name, path }));
}

function inCache({ name, file }: ServerQuery): FoundServer[] {
  const root = join(cacheDirectory(), 'servers');
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((entry) => entry.startsWith(`${name}-`) && existsSync(join(root, entry, file)))
    .map((entry) => ({ from: 'binary', name, path: join(root, entry, file) }));
}
