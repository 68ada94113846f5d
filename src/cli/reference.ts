// docs/cli.md, made of the help texts. Not loaded by any command.
import { COMMANDS } from './commands.ts';
import { overview } from './help.ts';

const EXIT_CODES: readonly (readonly [number | string, string])[] = [
  [0, 'Done; the sidecar stopped cleanly.'],
  [1, 'Configuration or command line invalid. Every problem is on standard error.'],
  [4, 'A listener could not bind.'],
  [69, 'The registry (`registry`), or the sidecar (`status`, `drain`), could not be reached.'],
  [70, 'Critical failure: a bug, or state that cannot be trusted any more.'],
  ['130, 143', 'A second SIGINT or SIGTERM ended the sidecar at once.'],
];

/** The whole page. */
export async function commandPage(): Promise<string> {
  const sections = await Promise.all(
    COMMANDS.map(async ({ name, load }) => `## \`pilotfish ${name}\`\n\n${block((await load()).help)}`),
  );
  const codes = EXIT_CODES.map(([code, meaning]) => `| ${code} | ${meaning} |\n`).join('');
  return `# Command line

<!-- Written by \`npm run docs\` from the help texts in src/cli; a test holds the two equal. -->

${block(overview())}
What was asked for goes to standard output, everything else to standard error. \`--json\` is for programs: its fields stay.
Output that nobody reads any more (\`| head\`) ends a command quietly.

| Exit code | Meaning |
| --- | --- |
${codes}
The lowest code wins where problems mix.

${sections.join('\n')}`;
}

function block(text: string): string {
  return `\`\`\`text\n${text}\`\`\`\n`;
}
