// Opens what log lines are written to; the composition root does it once, before anything is logged.
import type { Clock } from '../util/clock.ts';
import { openFileSink, stdoutSink } from './line-sink.ts';
import { LineWriter, type LineWriterOptions } from './line-writer.ts';

/** Standard output, for the process log and, unless it has a file, the access log: one writer for both, so that lines stay whole. */
export function stdoutWriter(clock: Clock, options: LineWriterOptions = {}): LineWriter {
  return new LineWriter(stdoutSink(), clock, options);
}

/** A file, made where it is not there (mode 0640), appended to. Rejects with the system's error. */
export async function fileWriter(path: string, clock: Clock, options: LineWriterOptions = {}): Promise<LineWriter> {
  return new LineWriter(await openFileSink(path), clock, options);
}
