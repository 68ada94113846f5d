// `pilotfish help` and `pilotfish version`.
import { readFileSync } from 'node:fs';
import { COMMANDS } from './commands.ts';
import { EXIT, readArgs, UsageError } from './command.ts';
import type { Command } from './command.ts';
import { table } from './table.ts';

/** The text of `pilotfish --help`. */
export function overview(): string {
  const rows = [
    ...COMMANDS.map(({ usage, summary }) => [`  ${usage}`, summary]),
    ['  help [COMMAND]', 'this text, or that of a command (also --help)'],
    ['  version', 'the version (also --version)'],
  ];
  return `Usage: pilotfish [COMMAND] [OPTIONS]

A sidecar proxy driven by service discovery.

Commands:
${table(rows)}
pilotfish COMMAND --help tells more. Configuration: docs/configuration.md.
`;
}

export const help: Command = {
  help: `Usage: pilotfish help [COMMAND]

The list of commands, or the help text of one.
`,
  async execute(args, context) {
    const { positionals } = readArgs(args, {}, { min: 0, max: 1 });
    const [name] = positionals;
    const entry = COMMANDS.find((command) => command.name === name);
    if (name !== undefined && entry === undefined) throw new UsageError(`unknown command "${name}"`);
    context.terminal.out(entry === undefined ? overview() : (await entry.load()).help);
    return EXIT.ok;
  },
};

export const version: Command = {
  help: `Usage: pilotfish version

The version of pilotfish and of Node.
`,
  execute(args, context) {
    readArgs(args, {});
    context.terminal.out(`pilotfish ${packageVersion()} (node ${process.versions.node})\n`);
    return Promise.resolve(EXIT.ok);
  },
};

/** From package.json, two folders up in the source and three in `dist/src/cli`. */
export function packageVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const content: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      if (isOurs(content)) return content.version;
    } catch {
      // Not here: the other place.
    }
  }
  return 'unknown';
}

function isOurs(content: unknown): content is { readonly version: string } {
  return (
    typeof content === 'object' &&
    content !== null &&
    'name' in content &&
    content.name === 'pilotfish' &&
    'version' in content &&
    typeof content.version === 'string'
  );
}
