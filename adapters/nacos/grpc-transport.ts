// Nacos 2.0 and later over gRPC, by a client of our own: one connection a namespace carries all.
import type { Reading, ReadingSink, RecordKeeper } from '../../src/registry/driver.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import type { Transport, TransportParts } from './driver.ts';
import { GrpcKeeper } from './grpc-keeper.ts';
import { Namespace } from './namespace.ts';
import type { NacosName } from './names.ts';

export class GrpcTransport implements Transport {
  readonly capabilities: Transport['capabilities'] = {
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
  readonly verifyEveryBeats = 6;
  private readonly parts: TransportParts;
  private readonly namespaces = new Map<string, Namespace>();

  constructor(parts: TransportParts) {
    this.parts = parts;
  }

  follow(key: ServiceKey, name: NacosName, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    return this.namespace(name).follow(key, name, sink, signal);
  }

  read(key: ServiceKey, name: NacosName, signal: AbortSignal): Promise<Reading> {
    return this.namespace(name).read(key, name, signal);
  }

  services(any: NacosName, signal: AbortSignal): Promise<string[]> {
    return this.namespace(any).services(any.groupName, signal);
  }

  async ping(any: NacosName, signal: AbortSignal): Promise<string> {
    const connection = await this.namespace(any).link.ready(signal);
    await connection.check(signal);
    return connection.id;
  }

  keep(instance: ServiceInstance, name: NacosName, ttlMs: number): RecordKeeper {
    const { clock, settings } = this.parts;
    const { maxMetadataBytes } = settings;
    return new GrpcKeeper(instance, { ttlMs, namespace: this.namespace(name), name, clock, maxMetadataBytes });
  }

  close(): Promise<void> {
    for (const namespace of this.namespaces.values()) namespace.close();
    return Promise.resolve();
  }

  private namespace({ namespaceId }: NacosName): Namespace {
    let namespace = this.namespaces.get(namespaceId);
    if (namespace === undefined) {
      namespace = new Namespace({ ...this.parts, namespaceId });
      this.namespaces.set(namespaceId, namespace);
    }
    return namespace;
  }
}
