// Where lines end up: a file that can be opened anew, or standard output, never in a way that makes the process wait.
import { constants, fstatSync, openSync, writeSync, writev } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** Told once for each write: how many bytes went out, or why none did. */
export type WriteDone = (error: Error | undefined, writtenBytes: number) => void;

/** A destination of bytes. One write at a time; `reopen` and `close` only between two writes. */
export interface LineSink {
  /** Writes all of `pieces`, in order, or a first part of them. Calls `done` later, never before it returns. */
  write(pieces: readonly Uint8Array[], done: WriteDone): void;
  /** At once, for the end of the process. Throws what the system says. */
  writeSync(bytes: Uint8Array): number;
  /** Goes on in a new file of the same name, after the old one was moved away. Where that fails the old one stays. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** Others than the owner and its group have no business with what clients asked for. */
const FILE_MODE = 0o640;
/** A FIFO without a reader, or with a slow one, must not hold up a thread of the pool. */
const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;

/** Opens `path` for appending, made if it is not there. Rejects with the system's error. */
export async function openFileSink(path: string): Promise<LineSink> {
  return new FileSink(path, await open(path, APPEND, FILE_MODE));
}

/** Standard output. `reopen` and `close` leave it as it is. */
export function stdoutSink(): LineSink {
  return new DescriptorSink(nonBlocking(process.stdout.fd));
}

class DescriptorSink implements LineSink {
  private readonly descriptor: number;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  write(pieces: readonly Uint8Array[], done: WriteDone): void {
    writeTo(this.descriptor, pieces, done);
  }

  writeSync(bytes: Uint8Array): number {
    return writeSync(this.descriptor, bytes);
  }

  async reopen(): Promise<void> {}

  async close(): Promise<void> {}
}

class FileSink implements LineSink {
  private readonly path: string;
  private handle: FileHandle;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  write(pieces: readonly Uint8Array[], done: WriteDone): void {
    writeTo(this.handle.fd, pieces, done);
  }

  writeSync(bytes: Uint8Array): number {
    return writeSync(this.handle.fd, bytes);
  }

  async reopen(): Promise<void> {
    const next = await open(this.path, APPEND, FILE_MODE);
    const previous = this.handle;
    this.handle = next;
    await previous.close();
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

function writeTo(descriptor: number, pieces: readonly Uint8Array[], done: WriteDone): void {
  writev(descriptor, pieces, (error, writtenBytes) => {
    if (error === null) done(undefined, writtenBytes);
    else done(error, 0);
  });
}

/**
 * A pipe that nobody reads blocks its writer: a thread of the pool, and the whole process at its exit. Opened once more
 * through /proc it says EAGAIN instead; the flag then belongs to us alone, not to those who share the pipe. Anything
 * but a pipe is used as it is: opened anew, a file would be written from its beginning.
 */
function nonBlocking(descriptor: number): number {
  try {
    if (!fstatSync(descriptor).isFIFO()) return descriptor;
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return descriptor; // No /proc, or none of our own: then as it is.
  }
}
