// `pilotfish drain`: takes a running sidecar out of the registry while it goes on serving.
import { ADMIN_HELP, ADMIN_OPTIONS, adminAddress, callAdmin } from './admin-client.ts';
import { CommandError, EXIT, readArgs } from './command.ts';
import type { Command } from './command.ts';
import { statusText } from './status-text.ts';

export const drain: Command = {
  help: `Usage: pilotfish drain [--undo] [--admin HOST:PORT] [--json]

Takes a running sidecar out of the registry and makes it not ready; it goes on serving whoever still calls. Returns at
once; pilotfish status shows how it goes on.

Options:
      --undo              the other way: register again
${ADMIN_HELP}
      --json              the sidecar's answer as JSON
  -h, --help              this text

Exit codes: 0 done, 69 nobody answered.
`,
  async execute(args, context) {
    const { values } = readArgs(args, { ...ADMIN_OPTIONS, undo: { type: 'boolean' } });
    const address = await adminAddress(context, values);
    const path = values.undo === true ? '/undrain' : '/drain';
    const { status, body } = await callAdmin(address, 'POST', path);
    if (status < 200 || status > 299) {
      throw new CommandError(EXIT.unavailable, `POST ${path}: the answer is ${status}; is this an admin listener?`);
    }
    if (values.json === true) context.terminal.out(`${JSON.stringify(body, undefined, 2)}\n`);
    else context.terminal.out(statusText({ readiness: body }));
    return EXIT.ok;
  },
};
