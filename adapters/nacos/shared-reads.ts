// Reads under way: those who ask for a list while an answer is on its way share it.
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../src/util/clock.ts';
import { abortable, withDeadline } from '../../src/registry/deadline.ts';
import type { Reading } from '../../src/registry/driver.ts';
import { RegistryError } from '../../src/registry/types.ts';

/** Deadline of one read, in ms, whoever waits for it: who asked first may give up before. */
const READ_TIMEOUT_MS = 3_000;

/** One writer: the namespace or transport that reads. */
export class SharedReads {
  private readonly clock: Clock;
  private readonly running = new Map<string, Promise<Reading>>();
  private readonly closing = new AbortController();

  constructor(clock: Clock) {
    this.clock = clock;
    setMaxListeners(0, this.closing.signal); // As many as services are read at a time.
  }

  /** The read of `id` that is under way, or one that `start` begins. */
  read(id: string, signal: AbortSignal, start: (limit: AbortSignal) => Promise<Reading>): Promise<Reading> {
    const running = this.running.get(id);
    if (running !== undefined) return abortable(running, signal);
    const reading = withDeadline(this.clock, READ_TIMEOUT_MS, [this.closing.signal], start);
    this.running.set(id, reading);
    const done = (): void => void this.running.delete(id);
    reading.then(done, done);
    return abortable(reading, signal);
  }

  /** Gives up what is under way. */
  close(): void {
    this.closing.abort(new RegistryError('aborted', 'nacos: closed'));
  }
}
