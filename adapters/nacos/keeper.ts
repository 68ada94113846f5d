// One record of ours in Nacos: in its service's publication while it stands; its sign of life is that of the connection.
import { sleep, type Clock } from '../../src/util/clock.ts';
import type { Holder, RecordKeeper } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import type { Namespace } from './namespace.ts';
import type { NacosName } from './names.ts';
import type { Publication } from './publication.ts';
import { toNacosInstance } from './record.ts';

/** Servers gather changes for 0.5 s before they show them to anybody: how often it is looked, in ms. */
const LOOK_EVERY_MS = 100;

/** What a keeper needs. */
export interface NacosKeeperOptions {
  readonly ttlMs: number;
  readonly namespace: Namespace;
  readonly name: NacosName;
  readonly clock: Clock;
  readonly maxMetadataBytes: number;
}

/** Calls come one at a time. */
export class NacosKeeper implements RecordKeeper {
  private readonly instance: ServiceInstance;
  private readonly key: ServiceKey;
  private readonly ttlMs: number;
  private readonly namespace: Namespace;
  private readonly name: NacosName;
  private readonly clock: Clock;
  private readonly publication: Publication;
  private readonly maxMetadataBytes: number;

  /** Throws RegistryError `invalid` for a record that Nacos cannot hold. */
  constructor(instance: ServiceInstance, options: NacosKeeperOptions) {
    const { ttlMs, namespace, name, clock, maxMetadataBytes } = options;
    toNacosInstance(instance, maxMetadataBytes);
    this.instance = instance;
    this.key = instance.key;
    this.ttlMs = ttlMs;
    this.namespace = namespace;
    this.name = name;
    this.clock = clock;
    this.maxMetadataBytes = maxMetadataBytes;
    this.publication = namespace.publication(name);
  }

  /**
   * Nacos lets two connections say the same id. Where both did, all agree on one: the smaller owner stays; the other finds
   * out here, and takes its own away.
   */
  async holder(signal: AbortSignal): Promise<Holder | undefined> {
    const found = await this.holders(signal);
    const { host, port, owner } = this.instance;
    const mine = found.find((other) => other.owner === owner);
    const rivals = found.filter((other) => other.owner !== owner && (other.host !== host || other.port !== port));
    const [rival] = rivals;
    if (mine === undefined) return asHolder(found[0]);
    if (rival === undefined || (owner ?? '') < (rival.owner ?? '')) return asHolder(mine);
    this.publication.forget(this.instance.id);
    return asHolder(rival);
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
    const wasOurs = this.publication.has(this.instance.id);
    await this.publication.remove(this.instance.id, signal);
    if (!wasOurs) {
      const [other] = await this.holders(signal);
      if (other === undefined) return;
      throw new RegistryError('unsupported', 'nacos: a record ends with the connection that wrote it');
    }
    await this.untilShown(signal, (mine) => mine === undefined);
  }

  close(): void {
    this.publication.forget(this.instance.id);
  }

  private async holders(signal: AbortSignal): Promise<ServiceInstance[]> {
    const { instances } = await this.namespace.read(this.key, this.name, signal);
    return instances.filter((other) => other.id === this.instance.id);
  }

  private async untilShown(
    signal: AbortSignal,
    isShown: (mine: ServiceInstance | undefined) => boolean,
  ): Promise<void> {
    for (;;) {
      const { instances } = await this.namespace.read(this.key, this.name, signal);
      const { id, owner } = this.instance;
      if (isShown(instances.find((other) => other.id === id && other.owner === owner))) return;
      await sleep(this.clock, LOOK_EVERY_MS, signal);
    }
  }
}

function asHolder(instance: ServiceInstance | undefined): Holder | undefined {
  if (instance === undefined) return undefined;
  return { owner: instance.owner, host: instance.host, port: instance.port, isAlive: true };
}
