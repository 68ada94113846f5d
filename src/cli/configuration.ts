// Loads the configuration for a command and tells a person everything that is wrong with it.
import type { Config } from '../config/config.ts';
import { problemText } from '../config/problem.ts';
import { loadConfig } from '../config/source.ts';
import { ProblemsTold } from './command.ts';
import type { Context } from './terminal.ts';

/** The option that every command with a configuration has. */
export const CONFIG_OPTION = { config: { type: 'string', short: 'c' } } as const;

/**
 * File and environment as one configuration. Warnings go to standard error; so do all problems, and then it throws.
 * @param env replaces that of the context, for commands whose options stand for a variable.
 */
export async function configuration(
  context: Context,
  file: string | undefined,
  env: Context['env'] = context.env,
): Promise<{ readonly config: Config; readonly file: string | undefined }> {
  const loaded = await loadConfig({ file, env });
  for (const warning of loaded.warnings) context.terminal.err(`warning: ${warning}\n`);
  if (loaded.ok) return { config: loaded.config, file: loaded.file };
  for (const problem of loaded.problems) context.terminal.err(`${problemText(problem)}\n`);
  const count = loaded.problems.length;
  context.terminal.err(`configuration invalid: ${count} ${count === 1 ? 'problem' : 'problems'}\n`);
  throw new ProblemsTold();
}
