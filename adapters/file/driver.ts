// The embedded default registry: a directory in which each registration is a file, shared by all sidecars of a host.
import { lstatSync, opendirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { sleep, type Clock } from '../../src/util/clock.ts';
import type { DriverTraits, Reading, ReadingSink, RecordKeeper } from '../../src/registry/driver.ts';
import type { RegistryDriver } from '../../src/registry/driver.ts';
import { MAX_METADATA_BYTES } from '../../src/util/metadata.ts';
import { RegistryError, type Capabilities, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import { ParentWatches, watchDirectory, type DirectoryWatch } from './directory-watch.ts';
import { FileKeeper } from './keeper.ts';
import { decodeSegment, encodeSegment, groupDirectory, isRecordName, recordId, serviceDirectory } from './layout.ts';
import { isCertainlyDead } from './process-identity.ts';
import { makeDirectory } from './make-directory.ts';
import { readRecord } from './record-file.ts';
import { Population, ServiceDirectory } from './service-directory.ts';

/** Options of the `file` registry. */
export interface FileOptions {
  /** The directory, made (mode 0700) where missing; on a local file system. Default: `pilotfish-<uid>` in `os.tmpdir()`. */
  readonly directory?: string;
  readonly clock: Clock;
}

const CAPABILITIES: Capabilities = {
  liveness: 'heartbeat',
  watch: 'stream',
  onExpiry: 'removed',
  detectWithinMs: 3_000,
  nativeWeights: true,
  nativeHealth: true,
  exclusiveIds: true,
  tellsDeniedFromEmpty: true,
  minTtlMs: 1_000,
  maxMetadataBytes: MAX_METADATA_BYTES,
};

const TRAITS: DriverTraits = {
  silenceMs: 10_000,
  callTimeoutMs: 3_000,
  verifyEveryBeats: 3,
  isLocal: true,
  isStatic: false,
};

const SWEEP_MS = 1_000;
/** Without a working directory watch the sweep is all there is. */
const BLIND_SWEEP_MS = 500;
/** Changes that come within this long are looked at together, in ms. */
const GATHER_MS = 5;
/** Names that a burst may gather before the whole directory is looked at instead. */
const MAX_GATHERED = 1_000;
const MAX_SERVICES = 20_000;

/**
 * Opens the directory. Throws RegistryError `forbidden` where the default one belongs to somebody else or is open to
 * others, `invalid` where the path is no directory; one that cannot be made or read now is a state, not a failure.
 */
export function createFileDriver(options: FileOptions): RegistryDriver {
  const root = options.directory === undefined ? defaultDirectory() : resolve(options.directory);
  try {
    makeDirectory(root, 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw new RegistryError('invalid', `${root} is not a directory`);
  }
  const isDefault = options.directory === undefined;
  if (isDefault) assertPrivate(root);
  return new FileDriver(root, isDefault, options.clock);
}

/** Where all sidecars of this user on this host meet. */
export function defaultDirectory(): string {
  return join(tmpdir(), process.getuid === undefined ? 'pilotfish' : `pilotfish-${process.getuid()}`);
}

class FileDriver implements RegistryDriver {
  readonly name = 'file';
  readonly capabilities = CAPABILITIES;
  readonly traits = TRAITS;
  private readonly root: string;
  private readonly isDefault: boolean;
  private readonly clock: Clock;
  private readonly parents: ParentWatches;
  private readonly population = new Population();
  private readonly followed = new Map<string, { directory: ServiceDirectory; sink: ReadingSink }>();

  constructor(root: string, isDefault: boolean, clock: Clock) {
    this.root = root;
    this.isDefault = isDefault;
    this.clock = clock;
    this.parents = new ParentWatches(() => this.mode());
  }

  async follow(key: ServiceKey, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    const path = serviceDirectory(this.root, key);
    const directory = new ServiceDirectory(this.root, key, this.clock, this.population);
    const wakeUp = new Wakeups(this.clock, directory);
    let watch: { readonly inode: number; readonly watch: DirectoryWatch } | undefined;
    const own = { directory, sink };
    this.followed.set(path, own);
    let forget: (() => void) | undefined;
    try {
      let due: ReadonlySet<string> | 'sweep' | 'all' = 'all';
      while (!signal.aborted) {
        forget ??= this.parents.expect(groupDirectory(this.root, key), basename(path), () => wakeUp.all());
        const { inode } = directory;
        if (watch?.inode !== inode || watch?.watch.isWorking === false) {
          watch?.watch.close();
          watch = inode === undefined ? undefined : { inode, watch: watchDirectory(path, wakeUp.one) };
          due = 'all'; // What happened before the watch began, or while there was none.
        }
        const reading = await directory.look(due);
        if (reading === undefined) sink.alive();
        else sink.reading(reading);
        const isBlind = inode !== undefined && watch?.watch.isWorking !== true;
        due = await wakeUp.next(isBlind ? BLIND_SWEEP_MS : SWEEP_MS, signal);
      }
    } finally {
      forget?.();
      watch?.watch.close();
      directory.close();
      if (this.followed.get(path) === own) this.followed.delete(path);
    }
  }

  async read(key: ServiceKey): Promise<Reading> {
    const followed = this.followed.get(serviceDirectory(this.root, key));
    const reading = await (
      followed?.directory ?? new ServiceDirectory(this.root, key, this.clock, new Population())
    ).look('all');
    if (reading === undefined) throw new RegistryError('protocol', 'a directory was not listed');
    followed?.sink.reading(reading);
    return reading;
  }

  async list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]> {
    const keys: ServiceKey[] = [];
    this.epoch(); // An absent registry is not an empty one.
    for (const namespace of children(this.root, prefix.namespace)) {
      for (const group of children(join(this.root, encodeSegment(namespace)), prefix.group)) {
        const path = join(this.root, encodeSegment(namespace), encodeSegment(group));
        for (const service of children(path, prefix.service)) {
          const key = { namespace, group, service };
          if (keys.length < MAX_SERVICES && hasLivingRecord(serviceDirectory(this.root, key), key)) keys.push(key);
          await new Promise((done) => setImmediate(done));
          signal.throwIfAborted();
        }
      }
    }
    return keys;
  }

  ping(): Promise<{ readonly epoch: string }> {
    return Promise.resolve().then(() => ({ epoch: this.epoch() }));
  }

  keep(instance: ServiceInstance, ttlMs: number): RecordKeeper {
    return new FileKeeper(instance, { root: this.root, clock: this.clock, ttlMs, mode: () => this.mode() });
  }

  close(): Promise<void> {
    return Promise.resolve(); // Followers end by their signals, and nothing else is open.
  }

  private epoch(): string {
    if (this.isDefault) assertPrivate(this.root);
    const facts = statSync(this.root, { throwIfNoEntry: false });
    if (facts?.isDirectory() !== true) throw new RegistryError('unavailable', 'the registry directory is not there');
    return `${facts.dev}-${facts.ino}`;
  }

  /** What lies below is as open as the root is, and no more. */
  private mode(): number {
    if (this.isDefault) assertPrivate(this.root); // It may have been removed, and made by somebody else.
    const mode = statSync(this.root, { throwIfNoEntry: false })?.mode;
    return mode === undefined ? 0o700 : (mode & 0o777) | 0o700;
  }
}

/** Gathers what changed until the follower asks, and wakes it up. */
class Wakeups {
  private readonly clock: Clock;
  private readonly directory: ServiceDirectory;
  private gathered = new Set<string>();
  private isAll = false;
  private isFirst = true;
  private wake: (() => void) | undefined = undefined;

  constructor(clock: Clock, directory: ServiceDirectory) {
    this.clock = clock;
    this.directory = directory;
  }

  all(): void {
    this.isAll = true;
    this.wake?.();
  }

  /** Heartbeats change time stamps only, and are left to the sweep. */
  readonly one = (name: string | undefined, isNew: boolean): void => {
    if (name === undefined || this.gathered.size >= MAX_GATHERED) {
      this.all();
    } else if (isRecordName(name) && (isNew || this.directory.isUnsettled(name))) {
      this.gathered.add(name);
      this.wake?.();
    }
  };

  /** What to look at next, at the latest after `sweepMs`. Returns at once where the signal aborts, with whatever. */
  async next(sweepMs: number, signal: AbortSignal): Promise<ReadonlySet<string> | 'sweep' | 'all'> {
    // A thousand services that began together shall not be swept together.
    const share = this.isFirst ? this.clock.random() : 0.95 + 0.05 * this.clock.random();
    this.isFirst = false;
    if (!this.isDue) await this.rest(sweepMs * share, signal);
    if (!this.isDue || signal.aborted) return 'sweep';
    await sleep(this.clock, GATHER_MS);
    const due = this.isAll ? 'all' : this.gathered;
    this.gathered = new Set();
    this.isAll = false;
    return due;
  }

  private get isDue(): boolean {
    return this.isAll || this.gathered.size > 0;
  }

  private rest(forMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.wake = undefined;
        timer.cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.clock.setTimer(forMs, end);
      signal.addEventListener('abort', end, { once: true });
      this.wake = end;
      if (signal.aborted) end();
    });
  }
}

/** Only our own user may look into, or put something into, a directory at a name that anybody can guess. */
function assertPrivate(root: string): void {
  const facts = lstatSync(root, { throwIfNoEntry: false });
  if (facts === undefined) return; // Could not be made now: a state, not a failure.
  if (!facts.isDirectory()) throw new RegistryError('forbidden', `${root} is not a directory of ours`);
  if (process.getuid === undefined) return;
  if (facts.uid !== process.getuid()) throw new RegistryError('forbidden', `${root} belongs to another user`);
  if ((facts.mode & 0o077) !== 0)
    throw new RegistryError('forbidden', `${root} is open to other users; expected mode 0700`);
}

function children(path: string, only: string | undefined): string[] {
  const names: string[] = [];
  for (const entry of entries(path)) {
    const name = entry.isDirectory ? decodeSegment(entry.name) : undefined;
    if (name !== undefined && (only === undefined || name === only)) names.push(name);
  }
  return names;
}

function hasLivingRecord(path: string, key: ServiceKey): boolean {
  for (const entry of entries(path)) {
    const id = isRecordName(entry.name) ? recordId(entry.name) : undefined;
    const file = id === undefined ? undefined : readRecord(join(path, entry.name), key, id);
    if (file === undefined || 'reason' in file.decoded) continue;
    if (file.process === undefined || !isCertainlyDead(file.process)) return true;
  }
  return false;
}

function entries(path: string): { readonly name: string; readonly isDirectory: boolean }[] {
  const found: { name: string; isDirectory: boolean }[] = [];
  try {
    const directory = opendirSync(path);
    try {
      for (
        let entry = directory.readSync();
        entry !== null && found.length < MAX_SERVICES;
        entry = directory.readSync()
      ) {
        found.push({ name: entry.name, isDirectory: entry.isDirectory() });
      }
    } finally {
      directory.closeSync();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return found;
}
