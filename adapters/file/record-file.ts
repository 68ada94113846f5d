// One record file: read without trusting it, written so that nobody sees half of it, taken away only if it is still the same.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { link, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeRecord, MAX_RECORD_BYTES } from '../../src/registry/record.ts';
import { RegistryError, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import { makeDirectory } from './make-directory.ts';
import { visibleProcess, type VisibleProcess } from './process-identity.ts';

/** What tells one state of a file from another without reading it. */
export interface FileFacts {
  readonly inode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** A record file as it was read. */
export interface RecordFile {
  readonly facts: FileFacts;
  readonly decoded: { readonly instance: ServiceInstance } | { readonly reason: string };
  /** Time without a heartbeat after which its owner is dead, in ms. */
  readonly ttlMs: number;
  /** Who wrote it, where this process can see whether that one lives. */
  readonly process: VisibleProcess | undefined;
}

/** For records of others that do not say. */
const DEFAULT_TTL_MS = 10_000;
const MAX_TTL_MS = 3_600_000;
/** No symbolic link is followed, and a FIFO does not block. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const buffer = Buffer.allocUnsafe(MAX_RECORD_BYTES + 1); // One read at a time: the code below is synchronous.

/**
 * Reads a record; undefined where there is no such file. What is not a record comes back as `decoded.reason`; what the
 * system refuses (EACCES, EIO, EMFILE) is thrown. Synchronous, some 20 µs: the directory must be on a local file system.
 */
export function readRecord(path: string, key: ServiceKey, id: string): RecordFile | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, READ_FLAGS);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP' || code === 'EMLINK' || code === 'ENXIO') return unreadable('not a regular file');
    if (code === 'EACCES') return unreadable('not readable');
    throw error;
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return unreadable('not a regular file', factsOf(stats));
    if (stats.size > MAX_RECORD_BYTES) return unreadable(`longer than ${MAX_RECORD_BYTES} bytes`, factsOf(stats));
    let bytes = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, bytes, buffer.length - bytes, null);
      bytes += count;
      if (count === 0 || bytes === buffer.length) break;
    }
    const decoded = decodeRecord(key, id, buffer.toString('utf8', 0, bytes));
    if ('reason' in decoded) return { facts: factsOf(stats), decoded, ttlMs: DEFAULT_TTL_MS, process: undefined };
    const { ttlMs, process } = decoded.fields;
    return {
      facts: factsOf(stats),
      decoded: { instance: decoded.instance }, // Without the raw fields, which nobody needs any more.
      ttlMs: typeof ttlMs === 'number' && ttlMs >= 1 ? Math.min(ttlMs, MAX_TTL_MS) : DEFAULT_TTL_MS,
      process: visibleProcess(process),
    };
  } finally {
    closeSync(descriptor);
  }
}

/** The facts that a stat gives. */
export function factsOf(stats: Stats): FileFacts {
  return { inode: stats.ino, sizeBytes: stats.size, mtimeMs: stats.mtimeMs };
}

/** How a record is put in its place. */
export interface WriteOptions {
  /** Fails with `conflict` where a file is there already. */
  readonly isExclusive: boolean;
  readonly directoryMode: number;
  readonly fileMode: number;
}

/** Writes a record beside its place and moves it there; its inode afterwards. Missing directories are made. */
export async function writeRecord(path: string, text: string, options: WriteOptions): Promise<number> {
  const temporary = temporaryPath(path, 'new');
  makeDirectory(dirname(path), options.directoryMode);
  try {
    const file = await open(temporary, WRITE_FLAGS, options.fileMode);
    let inode: number;
    try {
      await file.writeFile(text);
      inode = (await file.stat()).ino;
    } finally {
      await file.close();
    }
    if (options.isExclusive) await linkExclusively(temporary, path);
    else await rename(temporary, path);
    return inode;
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/**
 * Takes a record away if `isStillTheOne` says so of what is found once it is out of everybody's sight; else it is put
 * back, unless a newer one has taken its place meanwhile. True if the place is empty now because of us, or was before.
 */
export async function takeAway(
  path: string,
  key: ServiceKey,
  id: string,
  isStillTheOne: (file: RecordFile) => boolean,
): Promise<boolean> {
  const seen = readRecord(path, key, id);
  if (seen === undefined) return true;
  if (!isStillTheOne(seen)) return false;
  const aside = temporaryPath(path, 'gone');
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
  const found = readRecord(aside, key, id);
  const isIt = found === undefined || isStillTheOne(found);
  if (!isIt) await link(aside, path).catch(() => undefined); // EEXIST: a newer one is there, which wins.
  await unlink(aside).catch(() => undefined);
  return isIt;
}

async function linkExclusively(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new RegistryError('conflict', 'the id was taken meanwhile', { cause: error });
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error;
    await rename(from, to); // A file system without hard links: the next verification tells who won.
    return;
  }
  await unlink(from);
}

function temporaryPath(path: string, purpose: 'new' | 'gone'): string {
  return join(dirname(path), `.${purpose}-${randomBytes(8).toString('hex')}`);
}

function unreadable(reason: string, facts: FileFacts = { inode: 0, sizeBytes: 0, mtimeMs: 0 }): RecordFile {
  return { facts, decoded: { reason }, ttlMs: DEFAULT_TTL_MS, process: undefined };
}
