// Adapter `static`: lists that stand in the configuration. Nothing is sent anywhere, so nothing can be stale.
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { NO_RECORD, type Reading, type ReadingSink, type RegistryDriver } from '../../src/registry/driver.ts';
import { instanceFrom } from '../../src/registry/record.ts';
import { MAX_METADATA_BYTES } from '../../src/util/metadata.ts';
import { RegistryError, sameKey, serviceKey } from '../../src/registry/types.ts';
import type { Capabilities, ServiceInstance, ServiceKey } from '../../src/registry/types.ts';

/** One instance: every field of ServiceInstance but `key`, and `id` where another than `host:port` is wanted. */
export type StaticInstance = Partial<Omit<ServiceInstance, 'key' | 'owner' | 'leaving'>> &
  Pick<ServiceInstance, 'host' | 'port'>;

/** What `registry.static` says: instances by service; `[]` is a service without any, an absent one is unknown. */
export type StaticOptions = Readonly<Record<string, readonly (string | StaticInstance)[]>>;

const CAPABILITIES: Capabilities = {
  liveness: 'none',
  watch: 'push',
  onExpiry: 'none',
  detectWithinMs: 0,
  nativeWeights: true,
  nativeHealth: false,
  exclusiveIds: false,
  tellsDeniedFromEmpty: true,
  minTtlMs: 0,
  maxMetadataBytes: MAX_METADATA_BYTES,
};

/**
 * Throws RegistryError `invalid` naming the first wrong entry. `register` is accepted and does nothing: the
 * configuration says who is there, and a sidecar of such a service is `registered` from the start, for ever.
 */
export function createStaticAdapter(options: StaticOptions, context: RegistryContext = {}): Registry {
  return createRegistry(createStaticDriver(options), 'static', context);
}

function createStaticDriver(options: StaticOptions): RegistryDriver {
  const services = Object.entries(options).map(([service, entries]) => {
    const key = serviceKey(service);
    const instances = entries.map((entry, index) => parseEntry(key, entry, index));
    if (new Set(instances.map(({ id }) => id)).size < instances.length) {
      throw new RegistryError('invalid', `static: ${service}: an id is there twice`);
    }
    return { key, instances };
  });
  const readingOf = (key: ServiceKey): Reading => ({
    instances: services.find((service) => sameKey(service.key, key))?.instances ?? [],
    rejected: [],
    revision: '1',
    epoch: 'static',
  });
  return {
    name: 'static',
    capabilities: CAPABILITIES,
    traits: { silenceMs: Infinity, callTimeoutMs: 1_000, verifyEveryBeats: 0, isLocal: true, isStatic: true },
    follow: (key: ServiceKey, sink: ReadingSink, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        sink.reading(readingOf(key));
      }),
    read: (key) => Promise.resolve(readingOf(key)),
    list: (prefix) =>
      Promise.resolve(services.map((service) => service.key).filter((key) => sameKey({ ...key, ...prefix }, key))),
    ping: () => Promise.resolve({ epoch: 'static' }),
    keep: () => NO_RECORD,
    close: () => Promise.resolve(),
  };
}

function parseEntry(key: ServiceKey, entry: unknown, index: number): ServiceInstance {
  const fields = typeof entry === 'string' ? parseHostPort(entry) : asFields(entry);
  const where = `static: ${key.service}[${index}]`;
  if (fields === undefined) throw new RegistryError('invalid', `${where}: expected host:port`);
  const host = typeof fields['host'] === 'string' ? fields['host'].replace(/^\[(.*)\]$/, '$1') : undefined;
  const id = typeof fields['id'] === 'string' ? fields['id'] : `${host}:${String(fields['port'])}`;
  const decoded = instanceFrom(key, id, { health: 'passing', ...fields, host });
  if ('reason' in decoded) throw new RegistryError('invalid', `${where}: ${decoded.reason}`);
  return decoded.instance;
}

/** `host:port`, IPv6 in brackets; undefined where the text is not so. */
function parseHostPort(text: string): Readonly<Record<string, unknown>> | undefined {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(text);
  return match?.[1] === undefined ? undefined : { host: match[1], port: Number(match[2]) };
}

function asFields(entry: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof entry === 'object' && entry !== null ? (entry as Readonly<Record<string, unknown>>) : undefined;
}
