// `pilotfish registry ls`: one look at what the registry holds.
import type { Registry } from '../registry/registry.ts';
import { keyText } from '../registry/types.ts';
import type { ServiceInstance, ServiceKey, Snapshot } from '../registry/types.ts';
import { EXIT } from './command.ts';
import { addressText, flatten, keyOf, withRegistry } from './registry-access.ts';
import { printable } from '../config/problem.ts';
import { table } from './table.ts';
import type { Context } from './terminal.ts';

/** Services that are read at the same time. */
const PARALLEL = 8;

interface Values {
  readonly json?: boolean | undefined;
  readonly config?: string | undefined;
  readonly registry?: string | undefined;
}

/** The instances of one service; without a service, all services (with `--json` the instances of all). */
export function ls(context: Context, values: Values, service: string | undefined): Promise<number> {
  const { terminal } = context;
  const key = service === undefined ? undefined : keyOf(service);
  return withRegistry(context, values, {}, async (registry) => {
    const snapshots = key === undefined ? await readAll(registry) : [await read(registry, key)];
    for (const { key: of, rejected } of snapshots) {
      for (const { ref, reason } of rejected) {
        terminal.err(printable(`warning: ${keyText(of)}: record ${ref} is not usable: ${reason}`) + '\n');
      }
    }
    if (values.json === true) {
      const instances = snapshots.flatMap((snapshot) => snapshot.instances.map(flatten));
      terminal.out(`${JSON.stringify(instances, undefined, 2)}\n`);
    } else if (key === undefined) terminal.out(services(snapshots));
    else terminal.out(instances(snapshots[0]?.instances ?? []));
    return EXIT.ok;
  });
}

async function readAll(registry: Registry): Promise<Snapshot[]> {
  const keys = await registry.list({}, new AbortController().signal);
  const snapshots: Snapshot[] = [];
  for (let first = 0; first < keys.length; first += PARALLEL) {
    const some = keys.slice(first, first + PARALLEL);
    snapshots.push(...(await Promise.all(some.map((key) => read(registry, key)))));
  }
  return snapshots;
}

/** The registry bounds each call itself. */
function read(registry: Registry, key: ServiceKey): Promise<Snapshot> {
  return registry.read(key, new AbortController().signal);
}

function services(snapshots: readonly Snapshot[]): string {
  if (snapshots.length === 0) return 'no services\n';
  const rows = snapshots.map(({ key, instances }) => {
    const passing = instances.filter(({ health, enabled }) => health === 'passing' && enabled).length;
    return [keyText(key), String(instances.length), String(passing)];
  });
  return table([['SERVICE', 'INSTANCES', 'PASSING'], ...rows]);
}

function instances(all: readonly ServiceInstance[]): string {
  if (all.length === 0) return 'no instances\n';
  const rows = all.map((instance) => [
    instance.id,
    addressText(instance),
    instance.protocol,
    instance.leaving === true ? 'leaving' : instance.enabled ? instance.health : 'disabled',
    String(instance.weight),
    instance.zone ?? '-',
    instance.tags.join(',') || '-',
    Object.entries(instance.metadata)
      .map(([name, value]) => `${name}=${value}`)
      .join(',') || '-',
  ]);
  return table([['ID', 'ADDRESS', 'PROTOCOL', 'HEALTH', 'WEIGHT', 'ZONE', 'TAGS', 'METADATA'], ...rows]);
}
