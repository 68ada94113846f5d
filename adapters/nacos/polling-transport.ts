// Nacos over HTTP alone, for where gRPC's port cannot be reached: heartbeats, and polling.
import { sleep } from '../../src/util/clock.ts';
import type { Reading, ReadingSink, RecordKeeper } from '../../src/registry/driver.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import type { Transport, TransportParts } from './driver.ts';
import type { InstanceApi } from './instance-api.ts';
import { groupedName, type NacosName } from './names.ts';
import { PollingKeeper } from './polling-keeper.ts';
import { readingFrom } from './record.ts';
import { SharedReads } from './shared-reads.ts';

const MIN_POLL_MS = 2_000;
/** A change is seen after this long at most, in ms, and the time that an answer takes. */
export const MAX_POLL_MS = 5_000;

export class PollingTransport implements Transport {
  readonly capabilities: Transport['capabilities'] = {
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
  readonly verifyEveryBeats = 3;
  private readonly parts: TransportParts;
  private readonly api: InstanceApi;
  private readonly reads: SharedReads;

  constructor(parts: TransportParts, api: InstanceApi) {
    this.parts = parts;
    this.api = api;
    this.reads = new SharedReads(parts.clock);
  }

  async follow(key: ServiceKey, name: NacosName, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    const { clock } = this.parts;
    for (;;) {
      sink.reading(await this.read(key, name, signal));
      await sleep(clock, MIN_POLL_MS + clock.random() * (MAX_POLL_MS - MIN_POLL_MS), signal);
    }
  }

  read(key: ServiceKey, name: NacosName, signal: AbortSignal): Promise<Reading> {
    return this.reads.read(`${name.namespaceId}/${groupedName(name)}`, signal, async (limit) =>
      readingFrom(key, await this.api.list(name, limit), this.epoch),
    );
  }

  services(any: NacosName, signal: AbortSignal): Promise<string[]> {
    return this.api.services(any, signal);
  }

  async ping(any: NacosName, signal: AbortSignal): Promise<string> {
    await this.api.list(any, signal);
    return this.epoch;
  }

  keep(instance: ServiceInstance, name: NacosName, ttlMs: number): RecordKeeper {
    const { clock, settings } = this.parts;
    const read = (signal: AbortSignal): Promise<Reading> => this.read(instance.key, name, signal);
    const { maxMetadataBytes } = settings;
    return new PollingKeeper(instance, { ttlMs, name, api: this.api, clock, maxMetadataBytes, read });
  }

  close(): Promise<void> {
    this.reads.close();
    return this.api.close();
  }

  /** The server does not say when it has begun anew; where it could not be heard, it may have. */
  private get epoch(): string {
    return `http-${this.api.outages}`;
  }
}
