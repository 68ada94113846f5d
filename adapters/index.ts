// Name → adapter. Each is loaded when it is asked for, so that a sidecar carries only the client of its own registry.
import { registryType, type RegistryType } from '../src/registry/locator.ts';
import type { Registry, RegistryContext } from '../src/registry/registry.ts';
import { RegistryError } from '../src/registry/types.ts';

/** `registry` of the configuration, reduced to what chooses and configures an adapter. */
export interface RegistrySelection {
  readonly type: RegistryType;
  /** `registry.<type>`, as the schema has it; `{}` where nothing is said. */
  readonly options?: unknown;
}

type Factory = (options: unknown, context: RegistryContext) => Promise<Registry>;

const FACTORIES: Readonly<Record<RegistryType, Factory>> = {
  file: async (options, context) => {
    const { createFileAdapter } = await import('./file/file.ts');
    const { directory } = asObject(options);
    if (directory !== undefined && (typeof directory !== 'string' || directory === '')) {
      throw new RegistryError('invalid', 'registry.file.directory: expected a path');
    }
    return createFileAdapter(directory === undefined ? {} : { directory }, context);
  },
  etcd: async (options, context) => {
    const { createEtcdAdapter } = await import('./etcd/etcd.ts');
    return createEtcdAdapter(asObject(options), context);
  },
  consul: async (options, context) => {
    const { createConsulAdapter } = await import('./consul/consul.ts');
    return createConsulAdapter(asObject(options), context);
  },
  nacos: async (options, context) => {
    const { openNacosAdapter } = await import('./nacos/nacos.ts');
    return openNacosAdapter(asObject(options), context);
  },
  dns: async (options, context) => {
    const { createDnsAdapter } = await import('./dns/dns.ts');
    return createDnsAdapter(asObject(options), context);
  },
  static: async (options, context) => {
    const { createStaticAdapter } = await import('./static/static.ts');
    const services = Object.entries(asObject(options)).map(([service, entries]): [string, never[]] => {
      if (!Array.isArray(entries)) throw new RegistryError('invalid', `registry.static.${service}: expected a list`);
      return [service, entries as never[]]; // Each entry is checked by the adapter itself.
    });
    return createStaticAdapter(Object.fromEntries(services), context);
  },
};

/**
 * Opens a registry. Rejects with RegistryError for a wrong configuration only (`invalid`, `forbidden`, `unsupported`):
 * one that is away now is a state that its watches and registrations tell.
 */
export async function openRegistry(selection: RegistrySelection, context: RegistryContext = {}): Promise<Registry> {
  return FACTORIES[registryType(selection.type)](selection.options ?? {}, context);
}

function asObject(options: unknown): Readonly<Record<string, unknown>> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new RegistryError('invalid', 'the options of a registry are a map');
  }
  return options as Readonly<Record<string, unknown>>;
}
