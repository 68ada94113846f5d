// `pilotfish registry ls|watch|register`: look into the registry, and put something there, without a sidecar.
import { readArgs, UsageError } from './command.ts';
import type { Command } from './command.ts';
import { REGISTRY_HELP, REGISTRY_OPTIONS } from './registry-access.ts';

const REGISTER_OPTIONS = {
  ...REGISTRY_OPTIONS,
  ttl: { type: 'string' },
  id: { type: 'string' },
  weight: { type: 'string' },
  zone: { type: 'string' },
  protocol: { type: 'string' },
  tag: { type: 'string', multiple: true },
  meta: { type: 'string', multiple: true },
} as const;

export const registry: Command = {
  help: `Usage: pilotfish registry ls [SERVICE] [--json]
       pilotfish registry watch SERVICE [--json]
       pilotfish registry register NAME HOST:PORT [--ttl 10s] [options]

ls        the instances of a service; without one, all services
watch     changes of a service as they come: + added, - removed, ~ changed, ! state of the watch
register  holds one registration until interrupted, for things that have no sidecar

SERVICE and NAME are a name, or namespace/group/name.

Options:
      --json                ls: an array of instances, [] where there is none (without SERVICE, those of all services);
                            watch and register: one object a line
${REGISTRY_HELP}

Options of register:
      --ttl DURATION        life of the record without a renewal (default: registry.ttl, 10s)
      --id ID               identity of this copy (default: NAME-HOST-PORT)
      --weight N            share of traffic, 0 to 1000 (default: 100)
      --zone ZONE           failure zone
      --protocol P          http, https, h2c or tcp (default: http)
      --tag TAG             a label; may be repeated
      --meta NAME=VALUE     a pair of metadata; may be repeated

Exit codes: 0 done or interrupted, 1 wrong usage or configuration, 69 the registry cannot be reached.
`,
  async execute(args, context) {
    const [action, ...rest] = args;
    if (action === 'ls') {
      const { values, positionals } = readArgs(rest, REGISTRY_OPTIONS, { min: 0, max: 1 });
      return (await import('./registry-ls.ts')).ls(context, values, positionals[0]);
    }
    if (action === 'watch') {
      const { values, positionals } = readArgs(rest, REGISTRY_OPTIONS, { min: 1, max: 1 });
      return (await import('./registry-watch.ts')).watch(context, values, positionals[0] ?? '');
    }
    if (action === 'register') {
      const { values, positionals } = readArgs(rest, REGISTER_OPTIONS, { min: 2, max: 2 });
      const [name = '', address = ''] = positionals;
      return (await import('./registry-register.ts')).register(context, values, name, address);
    }
    throw new UsageError(action === undefined ? 'registry: ls, watch or register?' : `unknown: registry ${action}`);
  },
};
