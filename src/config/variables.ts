// `PILOTFISH_*` variables → values in the Tree. Each one has a field in the file, and wins over it.
import { parseRegistryLocator } from '../registry/locator.ts';
import { RegistryError } from '../registry/types.ts';
import { nearest } from './problem.ts';
import type { Path, Problem } from './problem.ts';
import type { Environment } from './substitute.ts';
import { newMapping } from './tree.ts';
import type { Tree } from './tree.ts';

/** One variable, and all that the reference page says of it. */
export interface Variable {
  readonly name: `PILOTFISH_${string}`;
  /** Field that it sets; empty for the one that has none. */
  readonly field: string;
  readonly meaning: string;
  readonly default: string;
  /** What the text stands for. `expected` is a problem, in the words of Problem. */
  readonly read: (text: string) => Reading;
  /** Field that takes the text where there is no own service. */
  readonly withoutService?: Path;
}

/** Values to put in, keys to take out first. */
export type Reading =
  | { readonly set: readonly (readonly [Path, unknown])[]; readonly remove?: readonly Path[] }
  | { readonly found?: string; readonly expected: string };

const PREFIX = 'PILOTFISH_';
const SERVICE: Path = ['service'];

/** All variables, in the order of the reference page. */
export const VARIABLES: readonly Variable[] = [
  {
    name: 'PILOTFISH_CONFIG',
    field: '',
    meaning: 'Path of the YAML file. `-c` wins over it.',
    default: '`./pilotfish.yaml` where it exists',
    read: () => ({ set: [] }),
  },
  {
    name: 'PILOTFISH_REGISTRY',
    field: 'registry.type',
    meaning:
      'A name (`file`, `etcd`, `consul`, `nacos`, `dns`, `static`) or a URL: `etcd://h1:2379,h2:2379/prefix`, ' +
      '`consul://h:8500?dc=dc1`, `nacos://h:8848/namespace?group=G`, `dns://10.0.0.2:53/{service}.example.com`, ' +
      '`file:///run/pilotfish`; `etcds`, `consuls`, `nacoss` mean TLS.',
    default: '`file`',
    read: readRegistry,
  },
  plain('PILOTFISH_SERVICE', 'service.name', 'Name of our own service; without it the sidecar only calls.', ''),
  plain('PILOTFISH_APP', 'service.app', '`host:port` where the app listens.', ''),
  plain(
    'PILOTFISH_ADVERTISE',
    'service.advertise',
    '`host[:port]` that others reach us at.',
    'first non-loopback address and the real inbound port; with `file`, 127.0.0.1',
  ),
  plain(
    'PILOTFISH_INBOUND',
    'listeners.inbound.address',
    'Where calls to the app arrive.',
    '`0.0.0.0:15006`; with `file`, `127.0.0.1:15006`',
  ),
  plain('PILOTFISH_OUTBOUND', 'listeners.outbound.address', 'Where the app sends its calls.', '`127.0.0.1:15001`'),
  plain('PILOTFISH_ADMIN', 'admin.address', 'Admin listener, also `unix:/path`.', '`127.0.0.1:15000`'),
  plain('PILOTFISH_ID', 'service.id', 'Identity of this copy.', '`<service>-<host>-<port>`'),
  {
    ...plain(
      'PILOTFISH_ZONE',
      'service.zone',
      'Failure zone that we are in; without an own service, `upstreams.*.zone.own`.',
      '',
    ),
    withoutService: ['upstreams', '*', 'zone', 'own'],
  },
  plain('PILOTFISH_WEIGHT', 'service.weight', 'Share of traffic, 0 to 1000.', '100'),
  {
    name: 'PILOTFISH_TAGS',
    field: 'service.tags',
    meaning: 'Labels, `a,b`.',
    default: '',
    read: (text) => ({ set: [[[...SERVICE, 'tags'], items(text)]] }),
  },
  {
    name: 'PILOTFISH_METADATA',
    field: 'service.metadata',
    meaning: 'Pairs, `k=v,k2=v2`.',
    default: '',
    read: readMetadata,
  },
  {
    name: 'PILOTFISH_HEALTH',
    field: 'service.health',
    meaning: 'Check of the app: `/path`, `tcp`, or `grpc[:service]`.',
    default: '`tcp`',
    read: readHealth,
  },
  plain('PILOTFISH_TTL', 'registry.ttl', 'Life of our record without a renewal.', '`10s`'),
  plain('PILOTFISH_LOG_LEVEL', 'log.level', 'trace, debug, info, warn, error, fatal or silent.', '`info`'),
];

/** Variables that say nothing where there is no own service. `_SERVICE` and `_APP` are missed instead. */
const OWN_RECORD: ReadonlySet<string> = new Set(
  ['ADVERTISE', 'INBOUND', 'ID', 'WEIGHT', 'TAGS', 'METADATA', 'HEALTH'].map((name) => PREFIX + name),
);

/** The variable that sets a field, for the advice that a missing one gets. */
export function variableOf(field: string): string | undefined {
  return VARIABLES.find((variable) => variable.field === field)?.name;
}

/**
 * Puts all variables into the tree. An empty one counts as unset (a container's definition cannot leave one out).
 * @returns problems, and warnings about variables that do nothing.
 */
export function applyVariables(tree: Tree, env: Environment): { problems: Problem[]; warnings: string[] } {
  const problems: Problem[] = [];
  const warnings = unknownNames(env);
  const hasService = isSet(env, 'PILOTFISH_SERVICE') || isSet(env, 'PILOTFISH_APP') || tree.get(SERVICE) !== undefined;
  for (const { name, field, read, withoutService } of VARIABLES) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    if (!hasService && OWN_RECORD.has(name)) {
      warnings.push(`${name}: has no effect without an own service (PILOTFISH_SERVICE)`);
      continue;
    }
    const reading: Reading =
      hasService || withoutService === undefined ? read(text) : { set: [[withoutService, text]] };
    if ('expected' in reading) {
      const found = reading.found ?? JSON.stringify(text.slice(0, 60));
      problems.push({ where: name, path: field, found, expected: reading.expected });
      continue;
    }
    for (const path of reading.remove ?? []) tree.remove(path);
    for (const [path, value] of reading.set) {
      tree.set(path, value);
      tree.setVariable(path, name);
    }
  }
  return { problems, warnings };
}

function plain(name: Variable['name'], field: string, meaning: string, byDefault: string): Variable {
  const path = field.split('.');
  return { name, field, meaning, default: byDefault, read: (text) => ({ set: [[path, text]] }) };
}

/** A name, or a URL whose scheme is one. The text of a URL is never shown: it may hold credentials. */
function readRegistry(text: string): Reading {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return { set: [[['registry', 'type'], text]] };
  const found = `a URL with ${scheme}:`;
  try {
    const { type, options } = parseRegistryLocator(text);
    const fields = Object.entries(options).map(([name, value]) => [['registry', type, name], value] as const);
    return { set: [[['registry', 'type'], type], ...fields] };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return { found, expected: error.message.replace(/^.*?expected /, '') };
  }
}

function readMetadata(text: string): Reading {
  const metadata = newMapping();
  for (const item of items(text)) {
    const split = item.indexOf('=');
    const key = item.slice(0, split).trim();
    if (split < 1 || key === '__proto__') return { expected: 'pairs such as version=2.1.0,team=shop' };
    metadata[key] = item.slice(split + 1).trim();
  }
  return { set: [[[...SERVICE, 'metadata'], metadata]] };
}

function readHealth(text: string): Reading {
  const remove = ['http', 'tcp', 'grpc'].map((kind) => [...SERVICE, 'health', kind]);
  const set = (kind: string, value: unknown): Reading => ({ remove, set: [[[...SERVICE, 'health', kind], value]] });
  if (text.startsWith('/')) return set('http', text);
  if (text === 'tcp') return set('tcp', true);
  if (text === 'grpc' || text.startsWith('grpc:')) return set('grpc', text.slice('grpc:'.length));
  return { expected: '/path, tcp, grpc or grpc:service' };
}

function items(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function isSet(env: Environment, name: string): boolean {
  return (env[name] ?? '') !== '';
}

function unknownNames(env: Environment): string[] {
  const known = VARIABLES.map(({ name }) => name.slice(PREFIX.length));
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name.slice(PREFIX.length)))
    .sort()
    .map((name) => {
      const meant = nearest(name.slice(PREFIX.length), known);
      return `${name}: no such variable${meant === undefined ? '' : `; did you mean ${PREFIX}${meant}?`}`;
    });
}
