// Last good lists on disk, so that a sidecar which starts while the registry is away knows whom it can call.
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '../util/clock.ts';
import { byIdOrder } from './by-id.ts';
import { instanceFrom } from './record.ts';
import { writeSnapshot } from './snapshot-file.ts';
import { keyText, type ServiceInstance, type ServiceKey, type ServiceView, type Snapshot } from './types.ts';

/** Keeps lists; no call ever throws or rejects: a store that does not work is a store that knows nothing. */
export interface SnapshotStore {
  /** The list of `key` as last saved, `origin: 'disk'`; undefined where there is none that can be trusted. */
  load(key: ServiceKey): Promise<Snapshot | undefined>;
  /** Remembers a view's list, without its suspects; written within a second, the newest only. */
  save(view: ServiceView): void;
  /** Writes what is not written yet. */
  close(): Promise<void>;
}

/** Where and for which registry. */
export interface SnapshotStoreOptions {
  readonly directory: string;
  /** Names the registry: lists of another one are not read. */
  readonly source: string;
  readonly clock: Clock;
  onError(error: unknown): void;
}

const WRITE_DELAY_MS = 1_000;
const MAX_FILE_BYTES = 32 * 1_048_576; // 20,000 ordinary records.
const MAX_FILES = 2_000;
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const OURS = /^[0-9a-f]{32}\.snapshot$/;
const OURS_UNFINISHED = /^\.[0-9a-f]{16}\.tmp$/;

/** Opens a store; the directory is made (mode 0700) at the first write. One process per directory writes a given list. */
export function openSnapshotStore(options: SnapshotStoreOptions): SnapshotStore {
  return new DiskStore(options);
}

class DiskStore implements SnapshotStore {
  private readonly options: SnapshotStoreOptions;
  private readonly pending = new Map<string, ServiceView>();
  private readonly known = new Set<string>();
  private timer: Timer | undefined = undefined;
  private writing: Promise<void> = Promise.resolve();
  private isSwept = false;

  constructor(options: SnapshotStoreOptions) {
    this.options = options;
  }

  async load(key: ServiceKey): Promise<Snapshot | undefined> {
    try {
      const text = await readBounded(join(this.options.directory, fileName(this.options.source, key)));
      return text === undefined ? undefined : this.parse(key, text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.options.onError(error);
      return undefined;
    }
  }

  save(view: ServiceView): void {
    this.pending.set(keyText(view.snapshot.key), view);
    this.timer ??= this.options.clock.setTimer(WRITE_DELAY_MS, () => this.flush());
  }

  async close(): Promise<void> {
    this.flush();
    await this.writing;
  }

  private flush(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const views = [...this.pending.values()];
    this.pending.clear();
    this.writing = this.writing.then(async () => {
      for (const view of views) {
        try {
          await this.write(view);
        } catch (error) {
          this.options.onError(error);
        }
      }
    });
  }

  private async write(view: ServiceView): Promise<void> {
    const { directory, source, clock } = this.options;
    const { key, instances, epoch, revision } = view.snapshot;
    const known = instances.filter((instance) => !view.suspects.has(instance.id));
    const head = { source, key, epoch, revision, savedAtWallMs: clock.wallMs() };
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await this.sweep();
    const name = fileName(source, key);
    const unfinished = join(directory, `.${randomBytes(8).toString('hex')}.tmp`);
    try {
      const file = await open(unfinished, WRITE_FLAGS, 0o600);
      let isWhole = false;
      try {
        isWhole = await writeSnapshot(file, head, known, MAX_FILE_BYTES);
      } finally {
        await file.close();
      }
      if (!isWhole) {
        await unlink(unfinished);
        return;
      }
      await rename(unfinished, join(directory, name));
    } catch (error) {
      await unlink(unfinished).catch(() => undefined);
      throw error;
    }
    this.known.add(name);
    if (this.known.size > MAX_FILES) await this.removeOldest();
  }

  /** Once: what a crash left unfinished, and how many lists are there already. */
  private async sweep(): Promise<void> {
    if (this.isSwept) return;
    this.isSwept = true;
    for (const name of await readdir(this.options.directory)) {
      if (OURS.test(name)) this.known.add(name);
      else if (OURS_UNFINISHED.test(name)) await unlink(join(this.options.directory, name)).catch(() => undefined);
    }
  }

  private async removeOldest(): Promise<void> {
    const aged: { readonly name: string; readonly mtimeMs: number }[] = [];
    for (const name of this.known) {
      const facts = await stat(join(this.options.directory, name)).catch(() => undefined);
      aged.push({ name, mtimeMs: facts?.mtimeMs ?? 0 });
    }
    aged.sort((a, b) => a.mtimeMs - b.mtimeMs);
    for (const { name } of aged.slice(0, Math.ceil(MAX_FILES / 10))) {
      await unlink(join(this.options.directory, name)).catch(() => undefined);
      this.known.delete(name);
    }
  }

  private parse(key: ServiceKey, text: string): Snapshot | undefined {
    const end = text.indexOf('\n');
    const head = JSON.parse(text.slice(0, Math.max(0, end))) as unknown;
    const body = text.slice(end + 1);
    if (!isRecord(head) || head['v'] !== 1 || head['sha256'] !== digest(body)) {
      throw new Error(`snapshot of ${keyText(key)}: checksum does not match`);
    }
    const value = JSON.parse(body) as unknown;
    if (!isRecord(value) || value['source'] !== this.options.source || !Array.isArray(value['records']))
      return undefined;
    const instances: ServiceInstance[] = [];
    for (const entry of value['records'] as unknown[]) {
      if (!isRecord(entry) || typeof entry['id'] !== 'string' || !isRecord(entry['record'])) continue;
      const decoded = instanceFrom(key, entry['id'], entry['record']);
      if ('instance' in decoded) instances.push(decoded.instance);
    }
    const savedAt = typeof value['savedAtWallMs'] === 'number' ? value['savedAtWallMs'] : 0;
    const ageMs = Math.max(0, this.options.clock.wallMs() - savedAt);
    return {
      key,
      instances: instances.sort(byIdOrder),
      rejected: [],
      revision: typeof value['revision'] === 'string' ? value['revision'] : '',
      epoch: typeof value['epoch'] === 'string' ? value['epoch'] : '',
      observedAtMs: this.options.clock.now() - ageMs,
      origin: 'disk',
    };
  }
}

/** Names of services are not file names: a digest is, and cannot lead out of the directory. */
function fileName(source: string, key: ServiceKey): string {
  const text = JSON.stringify([source, key.namespace, key.group, key.service]);
  return `${digest(text).slice(0, 32)}.snapshot`;
}

async function readBounded(path: string): Promise<string | undefined> {
  const file = await open(path, READ_FLAGS);
  try {
    const facts = await file.stat();
    const isOurs = process.getuid === undefined || facts.uid === process.getuid();
    if (!facts.isFile() || facts.size > MAX_FILE_BYTES || !isOurs || (facts.mode & 0o022) !== 0) return undefined;
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
