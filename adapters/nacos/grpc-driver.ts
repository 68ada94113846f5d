// Nacos 2.0 and later over gRPC, by a client of our own: the driver below the shared core.
import { systemClock, type Clock } from '../../src/util/clock.ts';
import type { DriverTraits, Reading, ReadingSink } from '../../src/registry/driver.ts';
import type { RecordKeeper, RegistryDriver } from '../../src/registry/driver.ts';
import type { Capabilities, ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import { NacosKeeper } from './keeper.ts';
import { Endpoints } from './link.ts';
import { loginFor, type Login } from './login.ts';
import { Namespace } from './namespace.ts';
import { Names } from './names.ts';
import type { NacosSettings } from './options.ts';

/** What the driver is made of. */
export interface NacosDriverOptions {
  readonly settings: NacosSettings;
  readonly clock?: Clock;
  /** Of registrations, in ms: bounds the spread of reconnects. */
  readonly ttlMs?: number;
}

const GRPC_CAPABILITIES: Omit<Capabilities, 'maxMetadataBytes'> = {
  liveness: 'connection',
  watch: 'push',
  onExpiry: 'removed',
  // A killed process is gone in 0.6 s; a host without power, or a stopped process, after 24 to 34 s [REGISTRIES §6].
  detectWithinMs: 35_000,
  nativeWeights: true,
  nativeHealth: true,
  exclusiveIds: false,
  tellsDeniedFromEmpty: true,
  minTtlMs: 1_500,
};

const TRAITS: DriverTraits = {
  silenceMs: 14_000,
  callTimeoutMs: 3_000,
  verifyEveryBeats: 6,
  isLocal: false,
  isStatic: false,
};

/** Connects to nothing until something is asked of it. */
export function createGrpcDriver(options: NacosDriverOptions): RegistryDriver {
  return new GrpcDriver(options);
}

class GrpcDriver implements RegistryDriver {
  readonly name = 'nacos';
  readonly capabilities: Capabilities;
  readonly traits = TRAITS;
  private readonly settings: NacosSettings;
  private readonly clock: Clock;
  private readonly ttlMs: number;
  private readonly names: Names;
  private readonly endpoints: Endpoints;
  private readonly login: Login | undefined;
  private readonly namespaces = new Map<string, Namespace>();

  constructor({ settings, clock = systemClock, ttlMs = 10_000 }: NacosDriverOptions) {
    this.settings = settings;
    this.capabilities = { ...GRPC_CAPABILITIES, maxMetadataBytes: settings.maxMetadataBytes };
    this.clock = clock;
    this.ttlMs = ttlMs;
    this.names = new Names(settings.namespace, settings.group);
    this.endpoints = new Endpoints(settings.endpoints, clock);
    this.login = loginFor(settings, this.endpoints, clock);
  }

  follow(key: ServiceKey, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    const name = this.names.toNacos(key);
    return this.namespace(name.namespaceId).follow(key, name, sink, signal);
  }

  read(key: ServiceKey, signal: AbortSignal): Promise<Reading> {
    const name = this.names.toNacos(key);
    return this.namespace(name.namespaceId).read(key, name, signal);
  }

  async list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]> {
    const { namespaceId, groupName } = this.names.toNacos({
      namespace: prefix.namespace ?? 'default', // Namespaces cannot be listed by a client: those of the options are all.
      group: prefix.group ?? 'default', // Nor can groups.
      service: 'any',
    });
    const found = await this.namespace(namespaceId).list(groupName, signal);
    const keys = found.map((name) => this.names.toKey(name));
    return keys.filter((key) => prefix.service === undefined || key.service === prefix.service);
  }

  async ping(signal: AbortSignal): Promise<{ readonly epoch: string }> {
    const connection = await this.namespace(this.names.namespaceId).link.ready(signal);
    await connection.check(signal);
    return { epoch: connection.id };
  }

  keep(instance: ServiceInstance, ttlMs: number): RecordKeeper {
    const name = this.names.toNacos(instance.key);
    const namespace = this.namespace(name.namespaceId);
    const { maxMetadataBytes } = this.settings;
    return new NacosKeeper(instance, { ttlMs, namespace, name, clock: this.clock, maxMetadataBytes });
  }

  close(): Promise<void> {
    for (const namespace of this.namespaces.values()) namespace.close();
    return Promise.resolve();
  }

  private namespace(namespaceId: string): Namespace {
    let namespace = this.namespaces.get(namespaceId);
    if (namespace === undefined) {
      const { settings, clock, ttlMs, login, endpoints } = this;
      namespace = new Namespace({ settings, namespaceId, clock, ttlMs, login, endpoints });
      this.namespaces.set(namespaceId, namespace);
    }
    return namespace;
  }
}
