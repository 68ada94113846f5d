// One command line → the command, and whatever it throws → an exit code and a line for a person.
import { nearest, printable } from '../config/problem.ts';
import { causeChain } from '../errors.ts';
import { EXIT, ProblemsTold, UsageError } from './command.ts';
import { COMMANDS } from './commands.ts';
import type { Entry } from './commands.ts';
import type { Context } from './terminal.ts';

const ALL: readonly Entry[] = [
  ...COMMANDS,
  { name: 'help', usage: '', summary: '', load: async () => (await import('./help.ts')).help },
  { name: 'version', usage: '', summary: '', load: async () => (await import('./help.ts')).version },
];

/** Runs one command line (without `node` and the script). Never rejects; returns the exit code. */
export async function dispatch(args: readonly string[], context: Context): Promise<number> {
  const [name, rest] = split(args);
  try {
    const entry = ALL.find((command) => command.name === name);
    if (entry === undefined) throw new UsageError(unknownCommand(name));
    const command = await entry.load();
    if (asksForHelp(rest)) {
      context.terminal.out(command.help);
      return EXIT.ok;
    }
    return await command.execute(rest, context);
  } catch (error) {
    return failed(error, name, context);
  }
}

/** No command, or options first, means `run`; `--help` and `--version` alone are commands. */
function split(args: readonly string[]): readonly [string, readonly string[]] {
  const [first, ...rest] = args;
  if (first === '--help' || first === '-h') return ['help', rest];
  if (first === '--version' || first === '-v') return ['version', rest];
  return first === undefined || first.startsWith('-') ? ['run', args] : [first, rest];
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === '--help' || arg === '-h');
}

function unknownCommand(name: string): string {
  const names = ALL.map((command) => command.name);
  const meant = nearest(name, names);
  return `unknown command "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

function failed(error: unknown, name: string, { terminal }: Context): number {
  if (error instanceof ProblemsTold) return error.exitCode;
  if (error instanceof UsageError) {
    const topic = ALL.some((command) => command.name === name) ? `pilotfish ${name} --help` : 'pilotfish --help';
    terminal.err(`pilotfish: ${error.message}\nTry: ${topic}\n`);
    return EXIT.invalid;
  }
  const code = error instanceof Error && 'exitCode' in error ? error.exitCode : undefined;
  if (typeof code === 'number') {
    terminal.err(`pilotfish: ${printable(causeChain(error))}\n`);
    return code;
  }
  terminal.err(`pilotfish: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.critical;
}
