// HOT PATH. Lines on their way to a sink: copied into a block of memory, written later and together; what finds no room is dropped and counted.
import type { Clock, Timer } from '../util/clock.ts';
import { BLOCK_BYTES, isAgain, LineBlock, writeSync } from './line-block.ts';
import type { LineSink } from './line-sink.ts';

/** How a writer buffers and whom it tells of trouble. */
export interface LineWriterOptions {
  /** Longest time that a line waits before it is given to the system, in ms. */
  readonly flushMs?: number;
  /** Memory for lines that wait, in bytes; at least two blocks. What comes when it is full is dropped. */
  readonly maxBytes?: number;
  /** The sink failed, having worked before: told once until it works again. */
  onFailure?(error: Error): void;
  /** It works again; `droppedLines` were lost meanwhile. */
  onRecovery?(droppedLines: number): void;
}

const FLUSH_MS = 500;
/** Some 10,000 access lines: more than come between two turns of the loop. */
const MAX_BYTES = 64 * BLOCK_BYTES;
/** Empty blocks that are kept for the next lines. */
const SPARE_BLOCKS = 2;
/** A pipe was full: its reader gets this long before the next try. */
const RETRY_MS = 20;
const NEWLINE = 0x0a;

interface Reopening {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Never blocks, never throws, holds at most `maxBytes`: a full disk or a reader that stalls costs lines, not requests.
 * Lines of one writer are never mixed up, also where several kinds of log share it.
 */
export class LineWriter {
  /** Lines lost since the start, for whatever reason. */
  droppedLines = 0;
  private readonly sink: LineSink;
  private readonly clock: Clock;
  private readonly options: LineWriterOptions;
  private readonly flushMs: number;
  private readonly maxBlocks: number;
  private current: LineBlock | undefined = undefined;
  private readonly spare: LineBlock[] = [];
  private readonly waiting: LineBlock[] = [];
  /** What the sink has been given; none while it is being reopened. */
  private writing: LineBlock[] | undefined = undefined;
  private timer: Timer | undefined = undefined;
  private retry: Timer | undefined = undefined;
  private isUrgent = false;
  private isFailing = false;
  private droppedBefore = 0;
  private isTorn = false;
  private isClosed = false;
  private reopening: Reopening | undefined = undefined;
  private isDue = false;
  private blocksBegun = 0;
  private blocksDone = 0;
  private readonly flushes: { readonly blocks: number; readonly resolve: () => void }[] = [];

  constructor(sink: LineSink, clock: Clock, options: LineWriterOptions = {}) {
    this.sink = sink;
    this.clock = clock;
    this.options = options;
    this.flushMs = options.flushMs ?? FLUSH_MS;
    this.maxBlocks = Math.max(2, Math.floor((options.maxBytes ?? MAX_BYTES) / BLOCK_BYTES));
  }

  /** @param line ASCII, ends with a newline. */
  write(line: string): void {
    let block = this.current;
    if (block === undefined || !block.fits(line.length)) {
      block = this.next(line.length);
      if (block === undefined) {
        this.droppedLines++;
        return;
      }
    }
    block.append(line);
    this.timer ??= this.clock.setTimer(this.flushMs, this.onTimer);
  }

  /** As `write`, for lines that somebody waits for: they go out in this turn of the loop. */
  writeNow(line: string): void {
    this.write(line);
    if (this.isUrgent) return;
    this.isUrgent = true;
    setImmediate(this.onUrgent);
  }

  /** Resolves when all lines so far were written or dropped; with a sink that stalls, never. */
  flush(): Promise<void> {
    this.rotate();
    const blocks = this.blocksBegun;
    return new Promise((resolve) => {
      this.flushes.push({ blocks, resolve });
      this.pump();
      this.resolveFlushes();
    });
  }

  /** At the end of the process: writes what is left, waiting at most 200 ms for a pipe that is full. Never throws. */
  flushSync(): void {
    this.rotate();
    const blocks = this.waiting.splice(0);
    if (this.retry !== undefined && this.writing !== undefined) {
      this.retry.cancel();
      blocks.unshift(...this.writing.splice(0));
    }
    this.droppedLines += writeSync(this.sink, blocks);
    this.blocksDone += blocks.length;
    this.resolveFlushes();
  }

  /** After the file was moved away: goes on in a new one. Rejects, and keeps the old one, where that cannot be opened. */
  reopen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.reopening?.resolve();
      this.reopening = { resolve, reject };
      this.pump();
    });
  }

  /** Writes what is left, for at most `deadlineMs`, and closes the sink. Later lines are dropped. */
  async close(deadlineMs: number): Promise<void> {
    if (this.isClosed) return;
    const flushed = this.flush();
    this.isClosed = true;
    let timer: Timer | undefined;
    const timeout = new Promise<void>((resolve) => (timer = this.clock.setTimer(deadlineMs, resolve)));
    await Promise.race([flushed, timeout]);
    timer?.cancel();
    this.timer?.cancel();
    // A write that still hangs has the descriptor: closing it could give its number to somebody else.
    if (this.writing === undefined) await this.sink.close();
  }

  /** A block with room for `bytes`, which becomes the current one; undefined where the memory is used up. */
  private next(bytes: number): LineBlock | undefined {
    if (this.isClosed || bytes > BLOCK_BYTES) return undefined;
    if (this.current !== undefined) {
      if (this.waiting.length + (this.writing?.length ?? 0) + 1 >= this.maxBlocks) return undefined;
      this.rotate();
      this.pump();
    }
    this.current = this.spare.pop() ?? new LineBlock();
    return this.current;
  }

  /** Puts the current block, if there is something in it, behind those that wait to be written. */
  private rotate(): void {
    if (this.current === undefined || this.current.used === 0) return;
    this.waiting.push(this.current);
    this.current = undefined;
    this.blocksBegun++;
  }

  private readonly onTimer = (): void => {
    this.timer = undefined;
    this.isDue = true;
    this.pump();
  };

  private readonly onUrgent = (): void => {
    this.isUrgent = false;
    this.isDue = true;
    this.pump();
  };

  /** Starts the next write, unless one is under way. A block that is not full goes only when its time has come. */
  private pump(): void {
    if (this.writing !== undefined) return;
    if (this.reopening !== undefined) {
      this.reopenNow(this.reopening);
      return;
    }
    if (this.isDue && this.waiting.length === 0) {
      this.isDue = false;
      this.rotate();
    }
    if (this.waiting.length === 0) return;
    this.writing = this.waiting.splice(0);
    this.writeRest(this.writing);
  }

  private writeRest(blocks: readonly LineBlock[]): void {
    const pieces = blocks.map((block) => block.rest);
    if (this.isTorn) this.sink.write([Uint8Array.of(NEWLINE)], () => this.sink.write(pieces, this.onWritten));
    else this.sink.write(pieces, this.onWritten);
    this.isTorn = false;
  }

  private resolveFlushes(): void {
    while (this.flushes[0] !== undefined && this.flushes[0].blocks <= this.blocksDone) this.flushes.shift()?.resolve();
  }

  private readonly onWritten = (error: Error | undefined, writtenBytes: number): void => {
    const blocks = this.writing;
    if (blocks === undefined) return;
    this.take(blocks, writtenBytes);
    if (error === undefined && writtenBytes > 0) {
      if (this.isFailing) this.recover();
      if (blocks.length > 0) {
        this.writeRest(blocks);
        return;
      }
    } else if (error === undefined || isAgain(error)) {
      this.retry = this.clock.setTimer(RETRY_MS, () => {
        this.retry = undefined;
        this.writeRest(blocks);
      });
      return;
    } else {
      this.fail(error, blocks);
    }
    this.writing = undefined;
    this.resolveFlushes();
    this.pump();
  };

  /** The sink took `bytes`: blocks that are done with leave `blocks`. */
  private take(blocks: LineBlock[], bytes: number): void {
    let rest = bytes;
    for (let block = blocks[0]; block !== undefined; block = blocks[0]) {
      rest = block.take(rest);
      if (!block.isTaken) return;
      blocks.shift();
      this.done(block);
    }
  }

  /** Gives up `blocks`: the next ones are tried anew, when there are any. */
  private fail(error: Error, blocks: readonly LineBlock[]): void {
    this.isTorn = blocks[0]?.isTorn === true;
    if (!this.isFailing) {
      this.isFailing = true;
      this.droppedBefore = this.droppedLines;
      this.options.onFailure?.(error);
    }
    for (const block of blocks) {
      this.droppedLines += block.lines;
      this.done(block);
    }
  }

  private recover(): void {
    this.isFailing = false;
    this.options.onRecovery?.(this.droppedLines - this.droppedBefore);
  }

  private done(block: LineBlock): void {
    this.blocksDone++;
    if (this.spare.length >= SPARE_BLOCKS) return;
    block.clear();
    this.spare.push(block);
  }

  private reopenNow(request: Reopening): void {
    this.writing = []; // As if a write were under way, so that none begins.
    this.sink
      .reopen()
      .then(request.resolve, request.reject)
      .finally(() => {
        if (this.reopening === request) this.reopening = undefined;
        this.writing = undefined;
        this.pump();
      });
  }
}
