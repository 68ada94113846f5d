import { describe, expect, test } from 'vitest';
import type { LineSink, WriteDone } from '../../../src/telemetry/line-sink.ts';
import { LineWriter } from '../../../src/telemetry/line-writer.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Takes what a test lets it take, when the test says so. */
class FakeSink implements LineSink {
  text = '';
  closed = 0;
  reopened = 0;
  reopenError: Error | undefined = undefined;
  /** Answers at once, in a microtask; otherwise the test calls `release`. */
  isWilling = true;
  /** What the next writes come to: an error, or at most that many bytes. */
  readonly plan: (Error | number)[] = [];
  private pending: { readonly pieces: readonly Uint8Array[]; readonly done: WriteDone } | undefined = undefined;

  write(pieces: readonly Uint8Array[], done: WriteDone): void {
    if (this.pending !== undefined) throw new Error('two writes at once');
    this.pending = { pieces: pieces.map((piece) => Uint8Array.from(piece)), done };
    if (this.isWilling) queueMicrotask(() => this.release());
  }

  release(): void {
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    try {
      pending.done(undefined, this.take(Buffer.concat(pending.pieces)));
    } catch (error) {
      pending.done(error as Error, 0);
    }
  }

  writeSync(bytes: Uint8Array): number {
    return this.take(bytes);
  }

  async reopen(): Promise<void> {
    if (this.pending !== undefined) throw new Error('reopened during a write');
    this.reopened++;
    if (this.reopenError !== undefined) throw this.reopenError;
  }

  async close(): Promise<void> {
    this.closed++;
  }

  private take(bytes: Uint8Array): number {
    const planned = this.plan.shift() ?? bytes.length;
    if (planned instanceof Error) throw planned;
    const taken = bytes.subarray(0, planned);
    this.text += Buffer.from(taken).toString('latin1');
    return taken.length;
  }
}

const failure = (code: string): Error => Object.assign(new Error(code), { code });
const AGAIN = failure('EAGAIN');
const FULL = failure('ENOSPC');

function setUp(maxBytes?: number): {
  sink: FakeSink;
  clock: FakeClock;
  writer: LineWriter;
  told: (string | number)[];
} {
  const sink = new FakeSink();
  const clock = new FakeClock();
  const told: (string | number)[] = [];
  const writer = new LineWriter(sink, clock, {
    ...(maxBytes === undefined ? {} : { maxBytes }),
    onFailure: (error) => told.push((error as NodeJS.ErrnoException).code ?? error.message),
    onRecovery: (lines) => told.push(lines),
  });
  return { sink, clock, writer, told };
}

describe('a line writer', () => {
  test('collects lines for half a second and writes them together', async () => {
    const { sink, clock, writer } = setUp();
    writer.write('a\n');
    await clock.advance(300);
    writer.write('b\n');
    await clock.advance(199);
    expect(sink.text).toBe('');
    await clock.advance(1);
    expect(sink.text).toBe('a\nb\n');
    expect(clock.timers).toBe(0);
  });

  test('writes as soon as a block is full', async () => {
    const { sink, clock, writer } = setUp();
    const line = `${'x'.repeat(999)}\n`;
    for (let n = 0; n < 66; n++) writer.write(line);
    await clock.advance(0);
    expect(sink.text).toBe(line.repeat(65));
    await writer.flush();
    expect(sink.text).toBe(line.repeat(66));
  });

  test('a line that somebody waits for goes out in this turn of the loop', async () => {
    const { sink, writer } = setUp();
    writer.write('first\n');
    writer.writeNow('second\n');
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.resolve();
    expect(sink.text).toBe('first\nsecond\n');
  });

  test('goes on where a write took only a part', async () => {
    const { sink, writer } = setUp();
    sink.plan.push(1, 4, 2);
    writer.write('abc\n');
    writer.write('def\n');
    await writer.flush();
    expect(sink.text).toBe('abc\ndef\n');
    expect(writer.droppedLines).toBe(0);
  });

  test('tries a full pipe again', async () => {
    const { sink, clock, writer, told } = setUp();
    sink.plan.push(2, AGAIN, AGAIN);
    writer.write('abc\n');
    const flushed = writer.flush();
    await clock.advance(10);
    expect(sink.text).toBe('ab');
    await clock.advance(50);
    await flushed;
    expect(sink.text).toBe('abc\n');
    expect(told).toEqual([]);
  });

  test('a sink that stalls costs lines, but no memory beyond the bound, and is caught up with later', async () => {
    const { sink, clock, writer } = setUp(4 * 65_536);
    sink.isWilling = false;
    const line = `${'x'.repeat(1_023)}\n`;
    for (let n = 0; n < 1_000; n++) {
      writer.write(line);
      await clock.advance(10);
    }
    const kept = 1_000 - writer.droppedLines;
    expect(kept * 1_024).toBeLessThanOrEqual(4 * 65_536);
    expect(kept * 1_024).toBeGreaterThan(2 * 65_536);
    sink.isWilling = true;
    sink.release();
    await writer.flush();
    expect(sink.text).toBe(line.repeat(kept));
  });

  test('a full disk is told once, lines are dropped and counted, and the next line begins on a line of its own', async () => {
    const { sink, writer, told } = setUp();
    sink.plan.push(6, FULL);
    writer.write('whole\n');
    writer.write('broken\n');
    await writer.flush();
    sink.plan.push(FULL);
    writer.write('lost\n');
    await writer.flush();
    expect(told).toEqual(['ENOSPC']);
    writer.write('later\n');
    await writer.flush();
    expect(told).toEqual(['ENOSPC', 3]);
    expect(sink.text).toBe('whole\nlater\n');
    sink.plan.push(3, FULL);
    writer.write('torn apart\n');
    await writer.flush();
    writer.write('end\n');
    await writer.flush();
    expect(sink.text).toBe('whole\nlater\ntor\nend\n');
  });

  test('a line longer than a block is dropped', async () => {
    const { sink, writer } = setUp();
    writer.write('x'.repeat(65_537));
    writer.write('y\n');
    await writer.flush();
    expect(sink.text).toBe('y\n');
    expect(writer.droppedLines).toBe(1);
  });

  test('reopens between two writes', async () => {
    const { sink, clock, writer } = setUp();
    sink.isWilling = false;
    writer.write('old\n');
    await clock.advance(500);
    const reopened = writer.reopen();
    writer.write('new\n');
    expect(sink.reopened).toBe(0);
    sink.isWilling = true;
    sink.release();
    await reopened;
    await writer.flush();
    expect(sink.reopened).toBe(1);
    expect(sink.text).toBe('old\nnew\n');
  });

  test('goes on with the old file where the new one cannot be opened', async () => {
    const { sink, writer } = setUp();
    sink.reopenError = failure('EACCES');
    await expect(writer.reopen()).rejects.toMatchObject({ code: 'EACCES' });
    writer.write('a\n');
    await writer.flush();
    expect(sink.text).toBe('a\n');
  });

  test('at the exit what is left is written at once, also behind a pipe that is full for now', async () => {
    const { sink, clock, writer } = setUp();
    sink.plan.push(1, AGAIN);
    writer.write('abc\n');
    await clock.advance(500);
    writer.write('def\n');
    sink.plan.push(AGAIN, 2);
    writer.flushSync();
    expect(sink.text).toBe('abc\ndef\n');
    expect(clock.timers).toBe(1); // The one for the second line: it finds nothing to do.
  });

  test('at the exit a pipe that nobody reads costs lines, not the exit', () => {
    const { sink, writer } = setUp();
    for (let n = 0; n < 100; n++) sink.plan.push(AGAIN);
    writer.write('abc\n');
    writer.flushSync();
    expect(sink.text).toBe('');
    expect(writer.droppedLines).toBe(1);
  });

  test('closing writes what is left; later lines are dropped', async () => {
    const { sink, clock, writer } = setUp();
    writer.write('a\n');
    await writer.close(1_000);
    writer.write('b\n');
    await writer.close(1_000);
    expect(sink.text).toBe('a\n');
    expect(sink.closed).toBe(1);
    expect(writer.droppedLines).toBe(1);
    expect(clock.timers).toBe(0);
  });

  test('closing waits for a stalled sink no longer than it is told to, and leaves its descriptor alone', async () => {
    const { sink, clock, writer } = setUp();
    sink.isWilling = false;
    writer.write('a\n');
    const closed = writer.close(1_000);
    await clock.advance(1_000);
    await closed;
    expect(sink.closed).toBe(0);
  });
});
