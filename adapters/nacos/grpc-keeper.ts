// One record of ours in Nacos: in its service's publication while it stands; its sign of life is that of the connection.
import type { Clock } from '../../src/util/clock.ts';
import type { Holder, Reading, RecordKeeper } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceInstance } from '../../src/registry/types.ts';
import { lookForHolder, untilShown } from './holders.ts';
import type { Namespace } from './namespace.ts';
import type { NacosName } from './names.ts';
import type { Publication } from './publication.ts';
import { toNacosInstance } from './record.ts';

/** What a keeper needs. */
export interface GrpcKeeperOptions {
  readonly ttlMs: number;
  readonly namespace: Namespace;
  readonly name: NacosName;
  readonly clock: Clock;
  readonly maxMetadataBytes: number;
}

/** Calls come one at a time. */
export class GrpcKeeper implements RecordKeeper {
  private readonly instance: ServiceInstance;
  private readonly ttlMs: number;
  private readonly namespace: Namespace;
  private readonly clock: Clock;
  private readonly publication: Publication;
  private readonly maxMetadataBytes: number;
  private readonly read: (signal: AbortSignal) => Promise<Reading>;

  /** Throws RegistryError `invalid` for a record that Nacos cannot hold. */
  constructor(instance: ServiceInstance, options: GrpcKeeperOptions) {
    const { ttlMs, namespace, name, clock, maxMetadataBytes } = options;
    toNacosInstance(instance, maxMetadataBytes);
    this.instance = instance;
    this.ttlMs = ttlMs;
    this.namespace = namespace;
    this.clock = clock;
    this.maxMetadataBytes = maxMetadataBytes;
    this.publication = namespace.publication(name);
    this.read = (signal) => namespace.read(instance.key, name, signal);
  }

  async holder(signal: AbortSignal): Promise<Holder | undefined> {
    // Who is dead is gone: a record ends with its connection.
    const { holder, mustYield } = await lookForHolder(this.instance, this.read, () => true, signal);
    if (mustYield) this.publication.forget(this.instance.id);
    return holder;
  }

  async put(instance: ServiceInstance, _replacing: Holder | undefined, signal: AbortSignal): Promise<void> {
    await this.publication.set(instance.id, toNacosInstance(instance, this.maxMetadataBytes), this.ttlMs, signal);
  }

  async update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'> {
    const record = toNacosInstance(instance, this.maxMetadataBytes);
    if (!this.publication.has(instance.id)) return 'lost';
    await this.publication.set(instance.id, record, this.ttlMs, signal);
    // Callers shall turn away before the record is gone: the mark counts from when they can see it.
    if (instance.leaving === true) await this.untilShown(signal, (mine) => mine?.leaving === true);
    return 'kept';
  }

  async refresh(signal: AbortSignal): Promise<'kept' | 'lost'> {
    const connection = await this.namespace.link.ready(signal);
    if (!(await this.publication.keep(this.instance.id, connection, this.ttlMs, signal))) return 'lost';
    await connection.check(signal);
    return 'kept';
  }

  async remove(signal: AbortSignal): Promise<void> {
    if (!(await this.publication.remove(this.instance.id, signal))) {
      const { instances } = await this.read(signal);
      if (instances.every((other) => other.id !== this.instance.id)) return;
      throw new RegistryError('unsupported', 'nacos: a record ends with the connection that wrote it');
    }
    await this.untilShown(signal, (mine) => mine === undefined);
  }

  close(): void {
    this.publication.forget(this.instance.id);
  }

  private untilShown(signal: AbortSignal, isShown: (mine: ServiceInstance | undefined) => boolean): Promise<void> {
    return untilShown(this.instance, this.read, isShown, this.clock, signal);
  }
}
