// The etcd registry as the core wants it: following, reading, listing and keeping, over one cluster.
import type { DriverTraits, Reading, ReadingSink, RecordKeeper, RegistryDriver } from '../../src/registry/driver.ts';
import { MAX_METADATA_BYTES } from '../../src/util/metadata.ts';
import type { Capabilities, ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import type { Clock } from '../../src/util/clock.ts';
import { Cluster } from './cluster.ts';
import { follow, type FollowContext } from './follow.ts';
import type { RecordFormat } from './format.ts';
import { grpcFormat } from './format-grpc.ts';
import { kratosFormat } from './format-kratos.ts';
import { pilotfishFormat } from './format-pilotfish.ts';
import { EtcdKeeper } from './keeper.ts';
import { LeaseStream } from './lease-stream.ts';
import type { EtcdFormat, EtcdSettings } from './options.ts';
import { CALL_TIMEOUT_MS } from './endpoint.ts';
import { RangeReader } from './range.ts';
import { RightsCheck } from './rights-check.ts';
import { ServiceFold } from './service-fold.ts';
import { WatchStreams } from './watch-streams.ts';

const FORMATS: Readonly<Record<EtcdFormat, (prefix: string) => RecordFormat>> = {
  pilotfish: pilotfishFormat,
  grpc: grpcFormat,
  kratos: kratosFormat,
};

const TRAITS: DriverTraits = {
  silenceMs: 660_000, // Progress is notified every 10 min; a connection that hangs is noticed by HTTP/2 pings long before.
  callTimeoutMs: CALL_TIMEOUT_MS,
  verifyEveryBeats: 1, // A lease lives on when somebody deletes the record.
  isLocal: false,
  isStatic: false,
};

const MAX_SERVICES = 20_000;

/** Throws RegistryError `invalid` for certificates that cannot be used. Sends nothing before the first call. */
export function createEtcdDriver(settings: EtcdSettings, clock: Clock): RegistryDriver {
  return new EtcdDriver(settings, clock);
}

class EtcdDriver implements RegistryDriver {
  readonly name = 'etcd';
  readonly capabilities: Capabilities;
  readonly traits = TRAITS;
  private readonly cluster: Cluster;
  private readonly format: RecordFormat;
  private readonly ranges: RangeReader;
  private readonly streams: WatchStreams;
  private readonly leases: LeaseStream;
  private readonly rights: RightsCheck | undefined;
  private readonly followContext: FollowContext;

  constructor(settings: EtcdSettings, clock: Clock) {
    this.capabilities = capabilitiesOf(settings.format);
    this.format = FORMATS[settings.format](settings.prefix);
    this.cluster = new Cluster(settings, clock);
    this.ranges = new RangeReader(this.cluster);
    this.streams = new WatchStreams(this.cluster);
    this.leases = new LeaseStream(this.cluster);
    const isSomebody = settings.user !== undefined || (settings.isSecure && settings.tls.cert !== undefined);
    this.rights = isSomebody ? new RightsCheck(this.cluster, clock) : undefined;
    const { format, ranges, streams, rights } = this;
    this.followContext = { clock, format, ranges, streams, rights };
  }

  follow(key: ServiceKey, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    return follow(key, sink, signal, this.followContext);
  }

  async read(key: ServiceKey, signal: AbortSignal): Promise<Reading> {
    const list = await this.ranges.list(this.format.servicePrefix(key), signal);
    return new ServiceFold(key, this.format, list).reading();
  }

  async list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]> {
    const keys = new Map<string, ServiceKey>();
    const { kvs } = await this.ranges.list(this.format.listPrefix(prefix), signal, { keys_only: true });
    for (const kv of kvs) {
      const key = this.format.parse(kv.key.toString())?.key;
      if (key === undefined || keys.size >= MAX_SERVICES || !matches(key, prefix)) continue;
      keys.set(JSON.stringify([key.namespace, key.group, key.service]), key);
    }
    return [...keys.values()];
  }

  async ping(signal: AbortSignal): Promise<{ readonly epoch: string }> {
    // A read that everybody may ask for, of nothing: the rights to our own prefix are another question.
    const key = Buffer.from(this.format.listPrefix({}) || '\0');
    const request = { key, limit: 1, keys_only: true };
    const { header } = await this.cluster.unary('ping', signal, (client, options) => client.kv.range(request, options));
    return { epoch: header.cluster_id };
  }

  keep(instance: ServiceInstance, ttlMs: number): RecordKeeper {
    const { cluster, leases, format } = this;
    return new EtcdKeeper(instance, ttlMs, { cluster, leases, format });
  }

  close(): Promise<void> {
    this.rights?.close();
    this.streams.close();
    this.leases.close();
    this.cluster.close();
    return Promise.resolve();
  }
}

function capabilitiesOf(format: EtcdFormat): Capabilities {
  return {
    liveness: 'lease',
    watch: 'stream',
    onExpiry: 'removed',
    // Leases last whole seconds and at least about two; the server looks for ended ones twice a second.
    detectWithinMs: 2_500,
    nativeWeights: format === 'pilotfish',
    nativeHealth: format === 'pilotfish',
    exclusiveIds: format !== 'grpc',
    tellsDeniedFromEmpty: true,
    minTtlMs: 1_000,
    maxMetadataBytes: MAX_METADATA_BYTES,
  };
}

function matches(key: ServiceKey, prefix: Partial<ServiceKey>): boolean {
  return (
    (prefix.namespace ?? key.namespace) === key.namespace &&
    (prefix.group ?? key.group) === key.group &&
    (prefix.service ?? key.service) === key.service
  );
}
