// One real server, however it runs: as a process (process.ts) or in a container (container.ts).
import { until } from '../until.ts';

/** A server that is ours to break. Its ports and its data are the same over restarts. */
export interface ServerRun {
  /** Its last lines. */
  readonly output: OutputLines;
  readonly isRunning: boolean;
  /** Starts it and waits until `isReady` holds; rejects with its last lines where it ends before, or never is. */
  start(isReady: () => Promise<boolean>, withinMs?: number): Promise<void>;
  /** Ends it (−9 unless said) and waits until it is gone. Without effect where it is gone already. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops it in its tracks: its sockets stay open, and nobody answers. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Kills it and forgets its data. */
  wipe(): Promise<void>;
  /** Kills it and leaves nothing behind. */
  close(): Promise<void>;
}

/** Lines that are kept for the message of a start that failed. */
const KEPT_LINES = 200;

/** What a server has printed, since it was last started. */
export class OutputLines {
  private lines: string[] = [];
  private rest = '';

  add(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    this.lines.push(...lines.filter((line) => line !== ''));
    this.lines.splice(0, this.lines.length - KEPT_LINES);
  }

  has(part: string | RegExp): boolean {
    return this.lines.some((line) => (typeof part === 'string' ? line.includes(part) : part.test(line)));
  }

  clear(): void {
    this.lines = [];
    this.rest = '';
  }

  toString(): string {
    return [...this.lines, this.rest].join('\n');
  }
}

/** Waits until a server that has been started is ready; kills it and rejects where it is not. */
export async function awaitReady(
  server: ServerRun,
  what: string,
  isReady: () => Promise<boolean>,
  withinMs: number,
): Promise<void> {
  const look = async (): Promise<boolean> => {
    if (!server.isRunning) throw new Error(`${what} ended`);
    return isReady().catch(() => false);
  };
  await until(`${what} is ready`, look, { withinMs, everyMs: 20 }).catch(async (error: unknown) => {
    const output = String(server.output);
    await server.kill();
    throw new Error(`${String(error)}\n${output}`);
  });
}
