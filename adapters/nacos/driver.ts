// A driver of Nacos: our names translated, on one of the ways to speak to a server.
import { systemClock, type Clock } from '../../src/util/clock.ts';
import type { DriverTraits, Reading, ReadingSink, RecordKeeper, RegistryDriver } from '../../src/registry/driver.ts';
import type { Capabilities, RegistryError, ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import { Endpoints } from './endpoints.ts';
import { loginFor, type Login } from './login.ts';
import { Names, type NacosName } from './names.ts';
import type { NacosDriverName, NacosSettings } from './options.ts';

/** What a driver is made of. */
export interface NacosDriverOptions {
  readonly settings: NacosSettings;
  readonly clock?: Clock;
  /** Of registrations, in ms: bounds the spread of reconnects. */
  readonly ttlMs?: number;
  /** Told by `auto` what it has chosen, and why not what comes before it. */
  readonly onChoice?: (driver: NacosDriverName, reason: RegistryError | undefined) => void;
}

/** What the driver shares with its transport: one cluster, one login. */
export interface TransportParts {
  readonly settings: NacosSettings;
  readonly clock: Clock;
  readonly ttlMs: number;
  readonly endpoints: Endpoints;
  readonly login: Login | undefined;
}

/** One way to speak to Nacos, in Nacos' own names. Connects to nothing until something is asked of it. */
export interface Transport {
  readonly capabilities: Omit<Capabilities, 'maxMetadataBytes'>;
  /** See `DriverTraits`. */
  readonly verifyEveryBeats: number;
  follow(key: ServiceKey, name: NacosName, sink: ReadingSink, signal: AbortSignal): Promise<void>;
  read(key: ServiceKey, name: NacosName, signal: AbortSignal): Promise<Reading>;
  /** Names of all services of the group of `any`; its own service name says nothing. */
  services(any: NacosName, signal: AbortSignal): Promise<string[]>;
  /** The epoch, once the server has answered. */
  ping(any: NacosName, signal: AbortSignal): Promise<string>;
  /** Throws RegistryError `invalid` for a record that Nacos cannot hold. */
  keep(instance: ServiceInstance, name: NacosName, ttlMs: number): RecordKeeper;
  close(): Promise<void>;
}

const ANY: ServiceKey = { namespace: 'default', group: 'default', service: 'any' };

export function createNacosDriver(
  { settings, clock = systemClock, ttlMs = 10_000 }: NacosDriverOptions,
  connect: (parts: TransportParts) => Transport,
): RegistryDriver {
  const names = new Names(settings.namespace, settings.group);
  const endpoints = new Endpoints(settings.endpoints, clock);
  const login = loginFor(settings, endpoints, clock);
  const transport = connect({ settings, clock, ttlMs, endpoints, login });
  const traits: DriverTraits = {
    silenceMs: 14_000,
    callTimeoutMs: 3_000,
    verifyEveryBeats: transport.verifyEveryBeats,
    isLocal: false,
    isStatic: false,
  };
  return {
    name: 'nacos',
    capabilities: { ...transport.capabilities, maxMetadataBytes: settings.maxMetadataBytes },
    traits,
    follow: (key, sink, signal) => transport.follow(key, names.toNacos(key), sink, signal),
    read: (key, signal) => transport.read(key, names.toNacos(key), signal),
    // A client can list neither namespaces nor groups: those of the options are all.
    list: async (prefix, signal) => {
      const { namespace = 'default', group = 'default', service } = prefix;
      const any = names.toNacos({ ...ANY, namespace, group });
      const found = await transport.services(any, signal);
      const keys = found.map((serviceName) => names.toKey({ ...any, serviceName }));
      return keys.filter((key) => service === undefined || key.service === service);
    },
    ping: async (signal) => {
      await login?.headers(signal); // The server answers its health check to anybody.
      return { epoch: await transport.ping(names.toNacos(ANY), signal) };
    },
    keep: (instance, ttl) => transport.keep(instance, names.toNacos(instance.key), ttl),
    close: () => transport.close(),
  };
}
