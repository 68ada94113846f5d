// HOT PATH. The memory in which lines wait: blocks that are filled, written and used again.
import type { LineSink } from './line-sink.ts';

/** Some 150 access lines. */
export const BLOCK_BYTES = 65_536;
/** `writeSync` gives a full pipe this many chances, `SYNC_PAUSE_MS` apart. */
const SYNC_RETRIES = 40;
const SYNC_PAUSE_MS = 5;
const NEWLINE = 0x0a;

/** A run of whole lines. One writer, then one reader. */
export class LineBlock {
  used = 0;
  lines = 0;
  private readonly bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** How much of it the sink has taken. */
  private taken = 0;

  /** True where a line of `length` bytes finds room. */
  fits(length: number): boolean {
    return this.used + length <= BLOCK_BYTES;
  }

  /** @param line ASCII, and it fits. */
  append(line: string): void {
    this.used += this.bytes.write(line, this.used, 'latin1');
    this.lines++;
  }

  /** What the sink has not taken yet. */
  get rest(): Uint8Array {
    return this.bytes.subarray(this.taken, this.used);
  }

  /** The sink took `bytes`; gives back how many of them were not of this block. */
  take(bytes: number): number {
    const own = Math.min(bytes, this.used - this.taken);
    this.taken += own;
    return bytes - own;
  }

  get isTaken(): boolean {
    return this.taken === this.used;
  }

  /** The sink took a part that does not end with a line. */
  get isTorn(): boolean {
    return this.taken > 0 && this.bytes[this.taken - 1] !== NEWLINE;
  }

  /** Empty again. */
  clear(): void {
    this.used = 0;
    this.lines = 0;
    this.taken = 0;
  }
}

/** Writes `blocks` before it returns, waiting at most 200 ms in all for a pipe that is full. Returns how many lines were lost; never throws. */
export function writeSync(sink: LineSink, blocks: readonly LineBlock[]): number {
  let lost = 0;
  let retries = SYNC_RETRIES;
  for (const block of blocks) {
    while (!block.isTaken) {
      try {
        block.take(sink.writeSync(block.rest));
      } catch (error) {
        if (!isAgain(error) || retries === 0) {
          lost += block.lines;
          break;
        }
        retries--;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SYNC_PAUSE_MS);
      }
    }
  }
  return lost;
}

/** The pipe is full for now. */
export function isAgain(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'EAGAIN';
}
