// Nacos over HTTP alone, for where gRPC's port cannot be reached: heartbeats, and polling.
import { sleep, systemClock, type Clock } from '../../src/util/clock.ts';
import type { DriverTraits, Holder, Reading, ReadingSink } from '../../src/registry/driver.ts';
import type { RecordKeeper, RegistryDriver } from '../../src/registry/driver.ts';
import type { Capabilities, ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import type { NacosDriverOptions } from './grpc-driver.ts';
import { HttpApi } from './http-api.ts';
import { Endpoints } from './link.ts';
import { loginFor } from './login.ts';
import { Names, type NacosName } from './names.ts';
import type { NacosSettings } from './options.ts';
import {
  BEAT_INTERVAL_KEY,
  BEAT_TIMEOUT_KEY,
  DELETE_TIMEOUT_KEY,
  readingFrom,
  toNacosInstance,
  type NacosInstance,
} from './record.ts';

const HTTP_CAPABILITIES: Omit<Capabilities, 'maxMetadataBytes'> = {
  liveness: 'heartbeat',
  watch: 'poll',
  onExpiry: 'critical',
  // The server looks for missing beats every 5 s, and we look at the server every 2 to 5 s.
  detectWithinMs: 11_000,
  nativeWeights: true,
  nativeHealth: false, // A beat makes a record healthy again, whatever was said.
  exclusiveIds: false,
  tellsDeniedFromEmpty: true,
  minTtlMs: 1_500,
};

const TRAITS: DriverTraits = {
  silenceMs: 14_000,
  callTimeoutMs: 3_000,
  verifyEveryBeats: 3,
  isLocal: false,
  isStatic: false,
};

const MIN_POLL_MS = 2_000;
const MAX_POLL_MS = 5_000;
/** How often it is looked whether a change can be seen: servers gather changes for 0.5 s. */
const LOOK_EVERY_MS = 100;

/** Sends nothing until something is asked of it. */
export function createHttpDriver(options: NacosDriverOptions): RegistryDriver {
  return new HttpDriver(options);
}

class HttpDriver implements RegistryDriver {
  readonly name = 'nacos';
  readonly capabilities: Capabilities;
  readonly traits = TRAITS;
  private readonly settings: NacosSettings;
  private readonly clock: Clock;
  private readonly names: Names;
  private readonly api: HttpApi;

  constructor({ settings, clock = systemClock }: NacosDriverOptions) {
    this.settings = settings;
    this.clock = clock;
    this.names = new Names(settings.namespace, settings.group);
    this.capabilities = { ...HTTP_CAPABILITIES, maxMetadataBytes: settings.maxMetadataBytes };
    const endpoints = new Endpoints(settings.endpoints, clock);
    this.api = new HttpApi({ settings, endpoints, login: loginFor(settings, endpoints, clock) });
  }

  async follow(key: ServiceKey, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    for (;;) {
      sink.reading(await this.read(key, signal));
      await sleep(this.clock, MIN_POLL_MS + this.clock.random() * (MAX_POLL_MS - MIN_POLL_MS), signal);
    }
  }

  async read(key: ServiceKey, signal: AbortSignal): Promise<Reading> {
    const info = await this.api.list(this.names.toNacos(key), signal);
    return readingFrom(key, info, `http-${this.api.outages}`);
  }

  async list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]> {
    const { namespace = 'default', group = 'default' } = prefix;
    const name = this.names.toNacos({ namespace, group, service: 'any' });
    const services = await this.api.services(name, signal);
    const keys = services.map((serviceName) => this.names.toKey({ ...name, serviceName }));
    return keys.filter((key) => prefix.service === undefined || key.service === prefix.service);
  }

  async ping(signal: AbortSignal): Promise<{ readonly epoch: string }> {
    await this.api.list(this.names.toNacos({ namespace: 'default', group: 'default', service: 'any' }), signal);
    return { epoch: `http-${this.api.outages}` };
  }

  keep(instance: ServiceInstance, ttlMs: number): RecordKeeper {
    const make = (now: ServiceInstance): NacosInstance => {
      const record = toNacosInstance(now, this.settings.maxMetadataBytes);
      return { ...record, metadata: { ...record.metadata, ...beatBounds(ttlMs) } };
    };
    make(instance);
    const name = this.names.toNacos(instance.key);
    return new HttpKeeper(instance, name, make, this.api, this.clock, (signal) => this.read(instance.key, signal));
  }

  close(): Promise<void> {
    return this.api.close();
  }
}

/** Calls come one at a time. */
class HttpKeeper implements RecordKeeper {
  private readonly instance: ServiceInstance;
  private readonly name: NacosName;
  private readonly make: (instance: ServiceInstance) => NacosInstance;
  private readonly api: HttpApi;
  private readonly clock: Clock;
  private readonly read: (signal: AbortSignal) => Promise<Reading>;
  private record: NacosInstance;

  constructor(
    instance: ServiceInstance,
    name: NacosName,
    make: (instance: ServiceInstance) => NacosInstance,
    api: HttpApi,
    clock: Clock,
    read: (signal: AbortSignal) => Promise<Reading>,
  ) {
    this.instance = instance;
    this.name = name;
    this.make = make;
    this.record = make(instance);
    this.api = api;
    this.clock = clock;
    this.read = read;
  }

  async holder(signal: AbortSignal): Promise<Holder | undefined> {
    const { instances } = await this.read(signal);
    const found = instances.filter((other) => other.id === this.instance.id);
    const holder = found.find((other) => other.owner === this.instance.owner) ?? found[0];
    if (holder === undefined) return undefined;
    const { owner, host, port, health } = holder;
    return { owner, host, port, isAlive: health !== 'critical' };
  }

  async put(instance: ServiceInstance, _replacing: Holder | undefined, signal: AbortSignal): Promise<void> {
    this.record = this.make(instance);
    await this.api.register(this.name, this.record, signal);
  }

  async update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'> {
    await this.put(instance, undefined, signal);
    if (instance.leaving === true) await this.untilShown(signal, (mine) => mine?.leaving === true);
    return 'kept';
  }

  async refresh(signal: AbortSignal): Promise<'kept' | 'lost'> {
    return (await this.api.beat(this.name, this.record, signal)) ? 'kept' : 'lost';
  }

  async remove(signal: AbortSignal): Promise<void> {
    const { instances } = await this.read(signal);
    const there = instances.find((other) => other.id === this.instance.id);
    if (there !== undefined && there.owner !== this.instance.owner) return;
    await this.api.deregister(this.name, this.record, signal);
    await this.untilShown(signal, (mine) => mine === undefined);
  }

  close(): void {
    // Nothing is held open.
  }

  private async untilShown(
    signal: AbortSignal,
    isShown: (mine: ServiceInstance | undefined) => boolean,
  ): Promise<void> {
    for (;;) {
      const { instances } = await this.read(signal);
      if (isShown(instances.find(({ id, owner }) => id === this.instance.id && owner === this.instance.owner))) return;
      await sleep(this.clock, LOOK_EVERY_MS, signal);
    }
  }
}

/** After how long without a beat the server calls the record unhealthy, and after how long it forgets it. */
function beatBounds(ttlMs: number): Readonly<Record<string, string>> {
  const timeout = Math.round(ttlMs);
  return {
    [BEAT_INTERVAL_KEY]: String(Math.floor(ttlMs / 3)), // The server insists that it is less than the others.
    [BEAT_TIMEOUT_KEY]: String(timeout),
    [DELETE_TIMEOUT_KEY]: String(3 * timeout),
  };
}
