// Where access lines go: nowhere, to standard output with the rest, or to a file of their own.
import type { LogConfig } from '../config/config.ts';
import type { LineWriter } from '../telemetry/line-writer.ts';
import { fileWriter } from '../telemetry/log-outputs.ts';
import type { Log } from '../telemetry/logger.ts';
import type { Clock } from '../util/clock.ts';

/**
 * Undefined where access lines are switched off. A file that stops working costs lines, which is said in the process log.
 * Rejects where it cannot be opened, and names the field.
 */
export async function openAccessLog(
  config: LogConfig,
  stdout: LineWriter,
  clock: Clock,
  log: Log,
): Promise<LineWriter | undefined> {
  if (!config.access) return undefined;
  const { file } = config;
  if (file === undefined) return stdout;
  try {
    return await fileWriter(file, clock, {
      onFailure: (error) => log.error('the access log cannot be written: lines are dropped', { file, error }),
      onRecovery: (droppedLines) => log.warn('the access log can be written again', { file, droppedLines }),
    });
  } catch (cause) {
    throw new Error('log.file cannot be opened', { cause });
  }
}
