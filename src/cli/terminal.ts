// The one seam between commands and the process around them: text out, signals in. Tests pass their own.

/** Where a command writes to. Lines are whole: nothing else is added. */
export interface Terminal {
  /** What was asked for: standard output. */
  out(text: string): void;
  /** What went wrong, and what else a person should know: standard error. */
  err(text: string): void;
  /** A person is watching: colours and a picture that moves make sense. */
  readonly isInteractive: boolean;
  /** Aborted once nobody reads standard output any more (`| head`): the command ends quietly. */
  readonly gone: AbortSignal;
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** What a command sees of the process that it runs in. */
export interface Context {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls `listener` at each SIGINT and SIGTERM, which then do nothing else, until the returned function is called. */
  onSignal(listener: (signal: StopSignal) => void): () => void;
  /** Calls `listener` at each SIGHUP, which then does nothing else, until the returned function is called. */
  onHangup(listener: () => void): () => void;
  /** Calls `listener` with each exception and rejection that nobody caught, which then do not end the process, until the returned function is called. */
  onEscape(listener: (error: unknown) => void): () => void;
  /** Calls `listener` with what Node warns of, which is then not printed, until the returned function is called. */
  onWarning(listener: (warning: Error) => void): () => void;
}

/** The real process. Commands that never write to a closed pipe never notice one. */
export function processContext(): Context {
  const gone = new AbortController();
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    gone.abort();
  });
  // Whom could it be told?
  process.stderr.on('error', () => undefined);
  return {
    env: process.env,
    terminal: {
      out: (text) => {
        if (!gone.signal.aborted) process.stdout.write(text);
      },
      err: (text) => void process.stderr.write(text),
      isInteractive: process.stdout.isTTY,
      gone: gone.signal,
    },
    onSignal: (listener) => {
      process.on('SIGINT', listener);
      process.on('SIGTERM', listener);
      return () => {
        process.off('SIGINT', listener);
        process.off('SIGTERM', listener);
      };
    },
    onHangup: (listener) => {
      process.on('SIGHUP', listener);
      return () => process.off('SIGHUP', listener);
    },
    onEscape: (listener) => {
      // A rejection that nobody handles comes here, too, as long as nobody asks for those alone.
      process.on('uncaughtException', listener);
      return () => process.off('uncaughtException', listener);
    },
    onWarning: (listener) => {
      const printers = process.listeners('warning');
      process.removeAllListeners('warning').on('warning', listener);
      return () => {
        process.off('warning', listener);
        for (const printer of printers) process.on('warning', printer);
      };
    },
  };
}

/** Resolves at SIGINT or SIGTERM, or once nobody reads what we write. */
export function interrupted(context: Context): Promise<void> {
  const { gone } = context.terminal;
  return new Promise((resolve) => {
    const end = (): void => {
      off();
      gone.removeEventListener('abort', end);
      resolve();
    };
    const off = context.onSignal(end);
    if (gone.aborted) end();
    else gone.addEventListener('abort', end, { once: true });
  });
}
