// What every command is, and how its options are read.
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import type { Context } from './terminal.ts';

type ParseArgsOptionsConfig = NonNullable<ParseArgsConfig['options']>;
/** What `parseArgs` makes of such options. */
type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; strict: true; allowPositionals: true }>
>;

/** One word after `pilotfish`. */
export interface Command {
  /** The whole help text; `docs/cli.md` is made of these. */
  readonly help: string;
  /** Returns the exit code. Throws UsageError, or any Error with an `exitCode`; all else that is thrown is a bug (70). */
  execute(args: readonly string[], context: Context): Promise<number>;
}

/** Exit codes (docs/cli.md). The lowest wins where problems mix. */
export const EXIT = {
  ok: 0,
  /** Configuration or command line invalid. */
  invalid: 1,
  /** A listener could not bind. */
  bind: 4,
  /** A registry, or a sidecar's admin listener, could not be reached. */
  unavailable: 69,
  /** A bug, or state that cannot be trusted any more. */
  critical: 70,
} as const;

/** The command line makes no sense: one line on standard error, exit code 1. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** A failure that has an exit code of its own; its chain of causes is printed on one line. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/** The configuration is invalid, and every problem has been printed. */
export class ProblemsTold extends CommandError {
  constructor() {
    super(EXIT.invalid, '');
  }
}

/** `node:util` parseArgs, strict, with its complaints as UsageError. `positionals` says how many words may stand alone. */
export function readArgs<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  positionals: { readonly min: number; readonly max: number } = { min: 0, max: 0 },
): Parsed<Options> {
  const parsed = parse(args, options);
  const count = parsed.positionals.length;
  if (count > positionals.max)
    throw new UsageError(`unexpected argument "${parsed.positionals[positionals.max] ?? ''}"`);
  if (count < positionals.min) throw new UsageError('an argument is missing');
  return parsed;
}

function parse<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
): Parsed<Options> {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!(error instanceof Error) || !code.startsWith('ERR_PARSE_ARGS_')) throw error;
    // The first sentence says what is wrong; the rest explains `--`.
    const sentence = error.message.split('. ')[0] ?? error.message;
    throw new UsageError(sentence.charAt(0).toLowerCase() + sentence.slice(1));
  }
}
