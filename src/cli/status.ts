// `pilotfish status`: what a running sidecar says of itself, and which endpoints it picks, and why.
import type { AdminAddress } from '../config/config.ts';
import { ADMIN_HELP, ADMIN_OPTIONS, adminAddress, callAdmin } from './admin-client.ts';
import { CommandError, EXIT, readArgs } from './command.ts';
import type { Command } from './command.ts';
import { statusText } from './status-text.ts';
import type { Context } from './terminal.ts';

const STARTUP_PATH = '/startupz';
const PATHS = ['/readyz', '/registration', '/registry', '/upstreams'] as const;

export const status: Command = {
  help: `Usage: pilotfish status [--admin HOST:PORT] [--json]
       pilotfish status --startup [--admin HOST:PORT] [--json]

Asks a running sidecar how it is: ready or why not, its own record, its registry, and every upstream with its endpoints and
why each is or is not picked. With --startup only whether its listeners are bound: what a container's HEALTHCHECK asks.

Options:
      --startup           ask /startupz and nothing else
${ADMIN_HELP}
      --json              one JSON object: readiness, registration, registry, upstreams
  -h, --help              this text

Exit codes: 0 the sidecar answered (also when it is not ready), 69 nobody answered, or with --startup: not started yet.
`,
  async execute(args, context) {
    const { values } = readArgs(args, { ...ADMIN_OPTIONS, startup: { type: 'boolean' } });
    const address = await adminAddress(context, values);
    if (values.startup === true) return startup(address, context, values.json === true);
    const [readiness, registration, registry, upstreams] = await Promise.all(
      PATHS.map(async (path) => {
        const { status: code, body } = await callAdmin(address, 'GET', path);
        // /readyz answers 503 where it is not ready: an answer like any other.
        if (code === 200 || path === '/readyz') return body;
        throw new CommandError(EXIT.unavailable, `${path}: the answer is ${code}; is this a sidecar's admin listener?`);
      }),
    );
    const parts = { readiness, registration, registry, upstreams: listed(upstreams) };
    context.terminal.out(values.json === true ? `${JSON.stringify(parts, undefined, 2)}\n` : statusText(parts));
    return EXIT.ok;
  },
};

async function startup(address: AdminAddress, context: Context, isJson: boolean): Promise<number> {
  const { status: code, body } = await callAdmin(address, 'GET', STARTUP_PATH);
  if (code !== 200) throw new CommandError(EXIT.unavailable, `${STARTUP_PATH}: the answer is ${code}`);
  context.terminal.out(isJson ? `${JSON.stringify(body)}\n` : 'started\n');
  return EXIT.ok;
}

/** The list itself: `/upstreams` answers with an object, so that it may grow. */
function listed(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'upstreams' in body ? body.upstreams : body;
}
