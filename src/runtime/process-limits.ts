// What this process may use: memory, as its control group, the machine and V8 have it, and file descriptors.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What the process uses and may use, in bytes; read once a second. */
export interface MemoryReading {
  readonly rssBytes: number;
  readonly limitBytes: number;
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
}

/** @param limitBytes undefined: that of the control group, or else the memory of the machine. */
export function memoryReader(limitBytes: number | undefined): () => MemoryReading {
  // 0, or more than there is, where no control group limits anything.
  const constrained = process.constrainedMemory();
  const total = totalmem();
  const limit = limitBytes ?? (constrained > 0 && constrained < total ? constrained : total);
  let rssBytes = 0;
  return () => {
    const heap = getHeapStatistics();
    try {
      rssBytes = process.memoryUsage.rss();
    } catch {
      // It is read from a file, for which there may be no descriptor: what was true a moment ago has to do.
    }
    return {
      rssBytes,
      limitBytes: limit,
      heapBytes: heap.used_heap_size,
      heapLimitBytes: heap.heap_size_limit,
    };
  };
}

/** V8 collects lazily what lies outside its heap, such as buffers: near the limit it is made to. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/**
 * V8's collector, for a process like ours, whose heap is small and of which little survives. From now on:
 *
 * - the young generation keeps its size, which is 2 × 4 MiB behind a start of ours: by default V8 doubles it, up to 2 × 16 MiB,
 *   whenever much in it survives, as thousands of new connections do; that stays resident while they are idle, and makes no
 *   request cheaper (V8 reads the flag when it is about to grow, `NewSpace::Grow`);
 * - it is collected by one thread: calling helpers costs half as much again as the work, and more where there is one core;
 * - the old one is collected when it has grown by 30 %, not when it has doubled: lists that change all the time leave more
 *   there than anything else, and memory would rise and fall by a third.
 *
 * For the whole process, so for one that is ours. A V8 that did not know a flag would say so on standard error, and go on.
 */
export function tuneCollector(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--no-parallel-scavenge');
  setFlagsFromString('--heap-growing-percent=30');
}

/** File descriptors that this process may have open; Infinity where the system does not say. */
export function maxOpenFiles(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return limit === undefined ? Infinity : Number(limit);
  } catch {
    return Infinity;
  }
}

/** True where no file descriptor is left, in this process or on this machine. */
export function areFilesUsedUp(): boolean {
  try {
    closeSync(openSync('/dev/null', 'r'));
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EMFILE' || code === 'ENFILE';
  }
}

/** Connections of clients that a listener may have open at the same time. */
export interface ConnectionRoom {
  readonly served: number;
  /** Beyond them, told that there is no room; further ones are closed without a word. */
  readonly refused: number;
  /** It is descriptors that are short, not what the user wants: a connection that has never said anything makes room for a new one. */
  readonly isScarce: boolean;
}

/** For logs, listeners, registries and the admin listener. */
const RESERVED_FILES = 64;

/** So many connections beyond those that are served are told that there is no room. */
const MAX_REFUSED = 256;

/** What one of `listeners` may have open, of `configured` connections: for each that is served there may be one to an instance. */
export function roomFor(configured: number, listeners: number, openFiles: number): ConnectionRoom {
  const refused = Math.min(MAX_REFUSED, Math.max(1, Math.floor(openFiles / (16 * listeners))));
  const possible = Math.floor(((openFiles - RESERVED_FILES) / listeners - refused) / 2);
  return { served: Math.max(1, Math.min(configured, possible)), refused, isScarce: possible < configured };
}
