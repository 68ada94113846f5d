// One record of ours in Nacos over HTTP: written by one call, kept by heartbeats.
import type { Clock } from '../../src/util/clock.ts';
import type { Holder, Reading, RecordKeeper } from '../../src/registry/driver.ts';
import type { ServiceInstance } from '../../src/registry/types.ts';
import { lookForHolder, untilShown } from './holders.ts';
import type { InstanceApi } from './instance-api.ts';
import type { NacosName } from './names.ts';
import {
  BEAT_INTERVAL_KEY,
  BEAT_TIMEOUT_KEY,
  DELETE_TIMEOUT_KEY,
  toNacosInstance,
  type NacosInstance,
} from './record.ts';

/** What a keeper needs. */
export interface PollingKeeperOptions {
  readonly ttlMs: number;
  readonly name: NacosName;
  readonly api: InstanceApi;
  readonly clock: Clock;
  readonly maxMetadataBytes: number;
  /** Reads the list of the record's service. */
  readonly read: (signal: AbortSignal) => Promise<Reading>;
}

/** Calls come one at a time. */
export class PollingKeeper implements RecordKeeper {
  private readonly instance: ServiceInstance;
  private readonly options: PollingKeeperOptions;
  private record: NacosInstance;

  /** Throws RegistryError `invalid` for a record that Nacos cannot hold. */
  constructor(instance: ServiceInstance, options: PollingKeeperOptions) {
    this.instance = instance;
    this.options = options;
    this.record = this.make(instance);
  }

  async holder(signal: AbortSignal): Promise<Holder | undefined> {
    const { api, name, read } = this.options;
    // Who is dead is unhealthy first, and forgotten later.
    const isAlive = ({ health }: ServiceInstance): boolean => health !== 'critical';
    const { holder, mustYield } = await lookForHolder(this.instance, read, isAlive, signal);
    if (mustYield) await api.deregister(name, this.record, signal);
    return holder;
  }

  async put(instance: ServiceInstance, _replacing: Holder | undefined, signal: AbortSignal): Promise<void> {
    this.record = this.make(instance);
    await this.options.api.register(this.options.name, this.record, signal);
  }

  async update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'> {
    await this.put(instance, undefined, signal);
    if (instance.leaving === true) await this.untilShown(signal, (mine) => mine?.leaving === true);
    return 'kept';
  }

  async refresh(signal: AbortSignal): Promise<'kept' | 'lost'> {
    return (await this.options.api.beat(this.options.name, this.record, signal)) ? 'kept' : 'lost';
  }

  async remove(signal: AbortSignal): Promise<void> {
    const { instances } = await this.options.read(signal);
    const there = instances.find((other) => other.id === this.instance.id);
    if (there !== undefined && there.owner !== this.instance.owner) return;
    await this.options.api.deregister(this.options.name, this.record, signal);
    await this.untilShown(signal, (mine) => mine === undefined);
  }

  close(): void {
    // Nothing is held open.
  }

  private untilShown(signal: AbortSignal, isShown: (mine: ServiceInstance | undefined) => boolean): Promise<void> {
    return untilShown(this.instance, this.options.read, isShown, this.options.clock, signal);
  }

  private make(instance: ServiceInstance): NacosInstance {
    const record = toNacosInstance(instance, this.options.maxMetadataBytes);
    return { ...record, metadata: { ...record.metadata, ...patience(this.options.ttlMs) } };
  }
}

/** After how long without a beat the server calls the record unhealthy, and after how long it forgets it. */
function patience(ttlMs: number): Readonly<Record<string, string>> {
  const timeout = Math.round(ttlMs);
  return {
    [BEAT_INTERVAL_KEY]: String(Math.floor(ttlMs / 3)), // The server insists that it is less than the others.
    [BEAT_TIMEOUT_KEY]: String(timeout),
    [DELETE_TIMEOUT_KEY]: String(3 * timeout),
  };
}
