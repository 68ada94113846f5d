// Our own record in the directory: written, touched each third of a TTL, looked after, taken away.
import { constants, fstatSync } from 'node:fs';
import { open, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../src/util/clock.ts';
import type { Holder, RecordKeeper } from '../../src/registry/driver.ts';
import { encodeRecord } from '../../src/registry/record.ts';
import type { ServiceInstance } from '../../src/registry/types.ts';
import { recordName, serviceDirectory } from './layout.ts';
import { isCertainlyDead, ownIdentity } from './process-identity.ts';
import { readRecord, takeAway, writeRecord, type RecordFile } from './record-file.ts';

/** Where a keeper writes. */
export interface KeeperOptions {
  readonly root: string;
  readonly clock: Clock;
  readonly ttlMs: number;
  /** Permissions of the root directory, which what lies below takes over. */
  mode(): number;
}

const TOUCH_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** One registration's file. Calls run one after the other, also where an earlier one was abandoned. */
export class FileKeeper implements RecordKeeper {
  private readonly instance: ServiceInstance;
  private readonly options: KeeperOptions;
  private readonly path: string;
  private inode = 0;
  private queue: Promise<unknown> = Promise.resolve();
  private observed: { readonly mark: string; readonly sinceMs: number } | undefined = undefined;

  /** Throws RegistryError `invalid` where a name is too long for a file name. */
  constructor(instance: ServiceInstance, options: KeeperOptions) {
    this.instance = instance;
    this.options = options;
    this.path = join(serviceDirectory(options.root, instance.key), recordName(instance.id));
  }

  holder(): Promise<Holder | undefined> {
    return this.inTurn(undefined, () => {
      const file = this.readOwn();
      if (file === undefined) return Promise.resolve(undefined);
      // What is no record holds nothing, but has to be replaced, not created.
      if ('reason' in file.decoded) return Promise.resolve({ owner: undefined, host: '', port: 0, isAlive: false });
      const { owner, host, port } = file.decoded.instance;
      return Promise.resolve({ owner, host, port, isAlive: this.isAlive(file) });
    });
  }

  put(instance: ServiceInstance, replacing: Holder | undefined, signal: AbortSignal): Promise<void> {
    return this.inTurn(signal, () => this.write(instance, replacing === undefined));
  }

  update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'> {
    return this.inTurn(signal, async () => {
      if (!this.isOurs(this.readOwn())) return 'lost';
      await this.write(instance, false);
      return 'kept';
    });
  }

  refresh(signal: AbortSignal): Promise<'kept' | 'lost'> {
    return this.inTurn(signal, async () => {
      let file;
      try {
        file = await open(this.path, TOUCH_FLAGS);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'lost';
        throw error;
      }
      try {
        if (fstatSync(file.fd).ino !== this.inode) return 'lost';
        const nowSeconds = this.options.clock.wallMs() / 1_000;
        await file.utimes(nowSeconds, nowSeconds);
        return 'kept';
      } finally {
        await file.close();
      }
    });
  }

  remove(): Promise<void> {
    return this.inTurn(undefined, async () => {
      const { key, id } = this.instance;
      await takeAway(this.path, key, id, (file) => this.isOurs(file));
      await rmdir(dirname(this.path)).catch(() => undefined); // Not empty: somebody else is there.
    });
  }

  close(): void {
    // Nothing is held open.
  }

  private async write(instance: ServiceInstance, isExclusive: boolean): Promise<void> {
    const identity = ownIdentity();
    const extra = { ttlMs: this.options.ttlMs, ...(identity === undefined ? {} : { process: identity }) };
    const mode = this.options.mode();
    const options = { isExclusive, directoryMode: mode, fileMode: mode & 0o666 };
    const text = encodeRecord(instance, extra);
    try {
      this.inode = await writeRecord(this.path, text, options);
    } catch (error) {
      // The directory was removed between making and using it, by the last one who left: once more.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.inode = await writeRecord(this.path, text, options);
    }
  }

  private readOwn(): RecordFile | undefined {
    return readRecord(this.path, this.instance.key, this.instance.id);
  }

  private isOurs(file: RecordFile | undefined): boolean {
    return file !== undefined && 'instance' in file.decoded && file.decoded.instance.owner === this.instance.owner;
  }

  /** Dead with proof, or its heartbeat was seen standing still for its TTL by our clock. */
  private isAlive(file: RecordFile): boolean {
    if (file.process !== undefined && isCertainlyDead(file.process)) return false;
    const nowMs = this.options.clock.now();
    const mark = `${file.facts.inode} ${file.facts.mtimeMs}`;
    if (this.observed?.mark !== mark) this.observed = { mark, sinceMs: nowMs };
    return nowMs - this.observed.sinceMs <= file.ttlMs;
  }

  private inTurn<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(() => {
      signal?.throwIfAborted();
      return run();
    });
    this.queue = turn.catch(() => undefined);
    return turn;
  }
}
