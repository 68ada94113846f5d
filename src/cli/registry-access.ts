// How the `registry` commands reach a registry: as the sidecar of the same configuration would, without a snapshot store.
import { openRegistry } from '../../adapters/index.ts';
import { registrySelection } from '../config/config.ts';
import type { Config } from '../config/config.ts';
import type { Registry, RegistryContext } from '../registry/registry.ts';
import { RegistryError, serviceKey } from '../registry/types.ts';
import type { RegistryErrorKind, ServiceInstance, ServiceKey } from '../registry/types.ts';
import { CommandError, EXIT, UsageError } from './command.ts';
import { CONFIG_OPTION, configuration } from './configuration.ts';
import type { Context } from './terminal.ts';

/** The options of every `registry` command. */
export const REGISTRY_OPTIONS = { ...CONFIG_OPTION, registry: { type: 'string' }, json: { type: 'boolean' } } as const;

/** Their part of a help text. */
export const REGISTRY_HELP = `      --registry NAME|URL   in place of PILOTFISH_REGISTRY
  -c, --config FILE         configuration to take the registry from
  -h, --help                this text`;

/** An instance as `--json` prints it: the key's fields beside its own. */
export type FlatInstance = Omit<ServiceInstance, 'key'> & ServiceKey;

/** Errors that say something about us rather than about the registry. */
const OURS: ReadonlySet<RegistryErrorKind> = new Set(['invalid', 'unsupported', 'conflict']);

interface RegistryValues {
  readonly config?: string | undefined;
  readonly registry?: string | undefined;
}

/**
 * Opens the registry, makes sure that it answers, runs `use`, and closes it whatever happens. Throws CommandError: 69 where
 * the registry cannot be reached or does not let us in, 1 where what we asked of it makes no sense.
 */
export async function withRegistry<T>(
  context: Context,
  values: RegistryValues,
  overrides: RegistryContext,
  use: (registry: Registry, config: Config) => Promise<T>,
): Promise<T> {
  const env = values.registry === undefined ? context.env : { ...context.env, PILOTFISH_REGISTRY: values.registry };
  const { config } = await configuration(context, values.config, env);
  const { ttlMs, allowLoopback, type } = config.registry;
  try {
    const registry = await openRegistry(registrySelection(config.registry), { ttlMs, allowLoopback, ...overrides });
    try {
      await registry.ping(new AbortController().signal);
      return await use(registry, config);
    } finally {
      await registry.close();
    }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const [code, what] = OURS.has(error.kind) ? [EXIT.invalid, 'refused'] : [EXIT.unavailable, 'not reachable'];
    throw new CommandError(code, `registry ${type}: ${what} (${error.kind})`, { cause: error });
  }
}

/** `orders`, or `namespace/group/orders`. */
export function keyOf(text: string): ServiceKey {
  const parts = text.split('/');
  const [namespace = '', group = '', service = ''] = parts;
  if (parts.length === 3 && namespace !== '' && group !== '' && service !== '')
    return serviceKey(service, namespace, group);
  if (parts.length === 1 && text !== '') return serviceKey(text);
  throw new UsageError(`found "${text}", expected the name of a service, or namespace/group/service`);
}

export function flatten({ key, ...rest }: ServiceInstance): FlatInstance {
  return { service: key.service, namespace: key.namespace, group: key.group, ...rest };
}

/** `host:port`, an IPv6 address in brackets. */
export function addressText({ host, port }: Pick<ServiceInstance, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
