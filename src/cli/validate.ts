// `pilotfish validate`: every problem of a configuration at once; nothing is bound, registered or written.
import { EXIT, readArgs } from './command.ts';
import type { Command } from './command.ts';
import { CONFIG_OPTION, configuration } from './configuration.ts';
import { maskedConfig } from '../config/mask.ts';

export const validate: Command = {
  help: `Usage: pilotfish validate [-c FILE] [--print]

Checks the configuration as run would read it, file and environment, and prints every problem as
file:line:column: field: found X, expected Y. Starts nothing.

Options:
  -c, --config FILE   configuration (default: PILOTFISH_CONFIG, or ./pilotfish.yaml where it exists)
      --print         also print the effective configuration as JSON, secrets masked
  -h, --help          this text

Exit codes: 0 valid, 1 invalid.
`,
  async execute(args, context) {
    const { values } = readArgs(args, { ...CONFIG_OPTION, print: { type: 'boolean' } });
    const { config, file } = await configuration(context, values.config);
    if (values.print === true) context.terminal.out(`${JSON.stringify(maskedConfig(config), undefined, 2)}\n`);
    else context.terminal.out(`configuration valid (${file ?? 'environment and defaults'})\n`);
    return EXIT.ok;
  },
};
