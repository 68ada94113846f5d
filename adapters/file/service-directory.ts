// One service's directory as a reader knows it: which files are there, what they say, and whether their owners still live.
import { lstatSync, opendirSync, statSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../src/util/clock.ts';
import type { Reading } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import { isRecordName, isTemporaryName, recordId, serviceDirectory } from './layout.ts';
import { isCertainlyDead, isCertainlyGone } from './process-identity.ts';
import { factsOf, readRecord, takeAway, type FileFacts, type RecordFile } from './record-file.ts';

/** A file and what is known of it. */
interface Entry {
  readonly id: string;
  file: RecordFile;
  /** Monotonic ms of the last stat. */
  lookedAtMs: number;
  /** How long its heartbeat was seen standing still, in ms. */
  silentMs: number;
  /** Monotonic ms of the last full look at its process. */
  provedAtMs: number;
  /** Monotonic ms since which its owner counts as dead; undefined while alive. */
  deadSinceMs: number | undefined;
  /** Its process is known to be dead, not just silent. */
  isProven: boolean;
}

type Leftovers = Map<string, { readonly mtimeMs: number; readonly sinceMs: number }>;

/** Names looked at in one directory; the rest is not seen. */
const MAX_NAMES = 25_000;
/** Files looked at before other work gets its turn. */
const SLICE = 64;
/** The whole directory is listed anew after so many sweeps, also where its own time stamp did not change. */
const FULL_EVERY_SWEEPS = 5;
/** Files of the living are looked at once in a fifth of their TTL, but at least this often, in ms. */
const MAX_LOOK_MS = 2_500;
/** One gap between two looks counts as at most this share of a TTL: it may have been us who slept. */
const MAX_GAP_SHARE = 0.5;
/** Files of the dead are removed after so many of their TTLs. */
const REMOVE_AFTER_TTLS = 10;
/** A file that a writer did not finish is removed after this long without a change, in ms. */
const LEFTOVER_MS = 100_000;
/** A full look at a process costs a file read; so many of them a second are affordable. */
const FULL_PROOFS_PER_SECOND = 500;

/** How many files are looked after together, in all directories of a registry: what the proofs of death are rationed by. */
export class Population {
  files = 0;
}

/** Caches by inode, size and time stamp: a change costs what changed, a sweep one stat per file and TTL. */
export class ServiceDirectory {
  private readonly root: string;
  private readonly path: string;
  private readonly key: ServiceKey;
  private readonly clock: Clock;
  private readonly population: Population;
  private readonly entries = new Map<string, Entry>();
  private leftovers: Leftovers = new Map();
  private readonly departed = new Set<string>();
  private directoryMark = '';
  private sweeps = 0;
  private changes = 0;
  private hasChanged = true;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(root: string, key: ServiceKey, clock: Clock, population: Population) {
    this.population = population;
    this.root = root;
    this.path = serviceDirectory(root, key);
    this.key = key;
    this.clock = clock;
  }

  /** Looks at some files, or at all that is due; a reading if the list changed, else undefined. Rejects when it cannot look. */
  look(names: ReadonlySet<string> | 'sweep' | 'all'): Promise<Reading | undefined> {
    const turn = this.queue.then(() => this.lookNow(names));
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  /** Is looked after no more. */
  close(): void {
    this.population.files -= this.entries.size;
    this.entries.clear();
  }

  /** True for a file of which a change of content, not only a new name, should be looked at at once. */
  isUnsettled(name: string): boolean {
    const entry = this.entries.get(name);
    return isRecordName(name) && (entry === undefined || 'reason' in entry.file.decoded);
  }

  /** Inode of the directory as last seen; undefined while there is none. */
  get inode(): number | undefined {
    const facts = lstatSync(this.path, { throwIfNoEntry: false });
    return facts?.isDirectory() === true ? facts.ino : undefined;
  }

  private async lookNow(names: ReadonlySet<string> | 'sweep' | 'all'): Promise<Reading | undefined> {
    const epoch = this.epoch();
    if (names === 'all') await this.list();
    else if (names === 'sweep') {
      const isDue = ++this.sweeps % FULL_EVERY_SWEEPS === 0;
      if (isDue || this.mark() !== this.directoryMark) await this.list();
      else await this.each([...this.entries.keys()], (name) => this.visit(name));
    } else await this.each([...names].filter(isRecordName), (name) => this.examine(name));
    if (!this.hasChanged && names !== 'all') return undefined;
    this.hasChanged = false;
    return this.fold(epoch);
  }

  /** Identity of the root directory. Throws where the registry itself is away, which is not the same as an empty service. */
  private epoch(): string {
    const facts = statSync(this.root, { throwIfNoEntry: false });
    if (facts?.isDirectory() !== true) throw new RegistryError('unavailable', 'the registry directory is not there');
    return `${facts.dev}-${facts.ino}`;
  }

  private mark(): string {
    const facts = lstatSync(this.path, { throwIfNoEntry: false });
    return facts === undefined ? '' : `${facts.ino} ${facts.mtimeMs}`;
  }

  private async list(): Promise<void> {
    this.directoryMark = this.mark(); // Before listing: a change meanwhile shows at the next sweep.
    const names = this.names();
    await this.each(names, (name) => (this.entries.has(name) ? this.visit(name) : this.examine(name)));
    const there = new Set(names);
    for (const name of [...this.entries.keys()]) if (!there.has(name)) this.vanish(name);
  }

  private names(): string[] {
    const names: string[] = [];
    const facts = lstatSync(this.path, { throwIfNoEntry: false });
    if (facts?.isDirectory() !== true) return names; // Not there, or a symbolic link, which is not followed.
    let directory;
    try {
      directory = opendirSync(this.path, { bufferSize: 1_024 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return names;
      throw error;
    }
    const leftovers: Leftovers = new Map();
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        if (isRecordName(entry.name)) names.push(entry.name);
        else if (isTemporaryName(entry.name)) this.inspectLeftover(entry.name, leftovers);
        if (names.length >= MAX_NAMES) break;
      }
    } finally {
      directory.closeSync();
    }
    this.leftovers = leftovers;
    return names;
  }

  private async each(names: readonly string[], look: (name: string) => void): Promise<void> {
    let count = 0;
    for (const name of names) {
      look(name);
      if (++count % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What is due for a file that is known: is its process alive, did its heart beat, is it another file? */
  private visit(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    const nowMs = this.clock.now();
    this.proveDeath(entry, nowMs);
    const isRejected = 'reason' in entry.file.decoded;
    const intervalMs = isRejected ? 0 : Math.min(entry.file.ttlMs / 5, MAX_LOOK_MS);
    if (nowMs - entry.lookedAtMs >= intervalMs) {
      const stats = lstatSync(join(this.path, name), { throwIfNoEntry: false });
      if (stats === undefined) this.vanish(name);
      else this.compare(name, entry, factsOf(stats), nowMs);
    }
    this.removeLongDead(name, entry, nowMs);
  }

  private compare(name: string, entry: Entry, facts: FileFacts, nowMs: number): void {
    const before = entry.file.facts;
    const isRejected = 'reason' in entry.file.decoded;
    const hasBeaten = facts.mtimeMs !== before.mtimeMs;
    if (facts.inode !== before.inode || facts.sizeBytes !== before.sizeBytes || (isRejected && hasBeaten)) {
      this.examine(name);
      return;
    }
    if (hasBeaten) entry.silentMs = 0;
    else entry.silentMs += Math.min(nowMs - entry.lookedAtMs, entry.file.ttlMs * MAX_GAP_SHARE);
    entry.lookedAtMs = nowMs;
    entry.file = { ...entry.file, facts };
    if (!entry.isProven) this.setDead(entry, entry.silentMs > entry.file.ttlMs, nowMs);
  }

  /** Reads a file that is new or another one than before. */
  private examine(name: string): void {
    const path = join(this.path, name);
    const id = recordId(name);
    const before = this.entries.get(name);
    const file = readRecord(path, this.key, id ?? name);
    if (file === undefined) {
      this.vanish(name);
      return;
    }
    const named =
      id === undefined ? { ...file, decoded: { reason: 'a name that is not percent-encoded as ours are' } } : file;
    const nowMs = this.clock.now();
    const isSame =
      before !== undefined &&
      before.file.facts.inode === file.facts.inode &&
      before.file.facts.sizeBytes === file.facts.sizeBytes &&
      before.file.facts.mtimeMs === file.facts.mtimeMs;
    const entry: Entry = {
      id: id ?? name,
      file: named,
      lookedAtMs: nowMs,
      silentMs: isSame ? before.silentMs : 0,
      provedAtMs: -Infinity,
      deadSinceMs: undefined,
      isProven: false,
    };
    if (before === undefined) this.population.files++;
    this.entries.set(name, entry);
    this.hasChanged = true;
    this.proveDeath(entry, nowMs);
  }

  private vanish(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.entries.delete(name);
    this.population.files--;
    this.hasChanged = true;
    const { process } = entry.file;
    if (entry.isProven || (process !== undefined && isCertainlyDead(process))) {
      this.departed.add(entry.id);
    }
  }

  private proveDeath(entry: Entry, nowMs: number): void {
    const { process } = entry.file;
    if (entry.isProven || process === undefined) return;
    const fullEveryMs = (this.population.files * 1_000) / FULL_PROOFS_PER_SECOND;
    const isFull = nowMs - entry.provedAtMs >= fullEveryMs;
    if (isFull) entry.provedAtMs = nowMs;
    if (!(isFull ? isCertainlyDead(process) : isCertainlyGone(process))) return;
    entry.isProven = true;
    this.hasChanged = true;
    this.setDead(entry, true, nowMs);
  }

  private setDead(entry: Entry, isDead: boolean, nowMs: number): void {
    if (isDead === (entry.deadSinceMs !== undefined)) return;
    entry.deadSinceMs = isDead ? nowMs : undefined;
    this.hasChanged = true;
  }

  private removeLongDead(name: string, entry: Entry, nowMs: number): void {
    if (entry.deadSinceMs === undefined) return;
    if (nowMs - entry.deadSinceMs < entry.file.ttlMs * REMOVE_AFTER_TTLS) return;
    const { inode, mtimeMs } = entry.file.facts;
    entry.deadSinceMs = nowMs; // Whatever comes of it, the next try is as far away.
    takeAway(join(this.path, name), this.key, entry.id, (found) => {
      return found.facts.inode === inode && found.facts.mtimeMs === mtimeMs;
    }).catch(() => undefined); // Not ours to remove, or the disk is away: it stays dead.
  }

  private inspectLeftover(name: string, leftovers: Leftovers): void {
    const stats = lstatSync(join(this.path, name), { throwIfNoEntry: false });
    if (stats === undefined || leftovers.size >= MAX_NAMES) return;
    const nowMs = this.clock.now();
    const known = this.leftovers.get(name);
    const isSame = known?.mtimeMs === stats.mtimeMs;
    leftovers.set(name, isSame ? known : { mtimeMs: stats.mtimeMs, sinceMs: nowMs });
    if (isSame && nowMs - known.sinceMs >= LEFTOVER_MS) unlink(join(this.path, name)).catch(() => undefined);
  }

  private fold(epoch: string): Reading {
    const instances: ServiceInstance[] = [];
    const rejected: { ref: string; reason: string }[] = [];
    const departed = new Set(this.departed);
    this.departed.clear();
    for (const [name, entry] of this.entries) {
      const { decoded } = entry.file;
      if ('reason' in decoded) rejected.push({ ref: name, reason: decoded.reason });
      else if (entry.deadSinceMs === undefined) instances.push(decoded.instance);
      else if (entry.isProven) departed.add(entry.id);
    }
    return { instances, rejected, revision: String(++this.changes), epoch, departed };
  }
}
