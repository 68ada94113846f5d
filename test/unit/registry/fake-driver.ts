// A registry made of memory, which fails, hangs and forgets on demand: what the core is tested against.
import type {
  DriverTraits,
  Holder,
  KeeperEvents,
  Reading,
  ReadingSink,
  RegistryDriver,
} from '../../../src/registry/driver.ts';
import { RegistryError, serviceKey } from '../../../src/registry/types.ts';
import type { Capabilities, ServiceInstance, ServiceKey } from '../../../src/registry/types.ts';

export const KEY = serviceKey('orders');

/** An ordinary instance `id` of the service `orders`. */
export function instance(id: string, change: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    key: KEY,
    id,
    host: '10.0.0.1',
    port: 8080,
    protocol: 'http',
    weight: 100,
    tags: [],
    metadata: {},
    health: 'passing',
    enabled: true,
    ...change,
  };
}

/** A reading of these ids (or instances). */
export function reading(members: readonly (string | ServiceInstance)[], change: Partial<Reading> = {}): Reading {
  return {
    instances: members.map((member) => (typeof member === 'string' ? instance(member) : member)),
    rejected: [],
    revision: '1',
    epoch: 'e1',
    ...change,
  };
}

/** One call of `follow` that is still going on. */
export interface Stream {
  readonly key: ServiceKey;
  readonly sink: ReadingSink;
  readonly signal: AbortSignal;
  fail(error: Error): void;
}

export class FakeDriver implements RegistryDriver {
  readonly name = 'fake';
  readonly capabilities: Capabilities = {
    liveness: 'lease',
    watch: 'stream',
    onExpiry: 'removed',
    detectWithinMs: 0,
    nativeWeights: true,
    nativeHealth: true,
    exclusiveIds: true,
    tellsDeniedFromEmpty: true,
    minTtlMs: 1_000,
    maxMetadataBytes: 16_384,
  };
  readonly traits: DriverTraits = {
    silenceMs: 12_000,
    callTimeoutMs: 3_000,
    verifyEveryBeats: 2,
    isLocal: true,
    isStatic: false,
  };
  readonly streams: Stream[] = [];
  followed = 0;
  /** What `read` answers; undefined: it fails. */
  answer: Reading | undefined = undefined;
  reads = 0;
  /** Records by id, as `put` left them. */
  readonly records = new Map<string, ServiceInstance>();
  /** Whose process is dead, by owner. */
  readonly dead = new Set<string>();
  /** Every write in order: put, update, refresh, remove. */
  readonly calls: string[] = [];
  /** What every call of a keeper does. */
  mode: 'ok' | 'down' | 'hang' | 'denied' = 'ok';
  /** Ends the life of the last registration, as the registry would tell it. */
  events: KeeperEvents = { lost: () => undefined };

  constructor(capabilities: Partial<Capabilities> = {}, traits: Partial<DriverTraits> = {}) {
    this.capabilities = { ...this.capabilities, ...capabilities };
    this.traits = { ...this.traits, ...traits };
  }

  /** The stream that was begun last. */
  get stream(): Stream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error('nothing is followed');
    return stream;
  }

  follow(key: ServiceKey, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    this.followed++;
    return new Promise((_resolve, reject) => {
      const stream = { key, sink, signal, fail: reject };
      this.streams.push(stream);
      signal.addEventListener('abort', () => {
        this.streams.splice(this.streams.indexOf(stream), 1);
        reject(signal.reason as Error);
      });
    });
  }

  read(): Promise<Reading> {
    this.reads++;
    return this.answer === undefined
      ? Promise.reject(new RegistryError('unavailable', 'down'))
      : Promise.resolve(this.answer);
  }

  list(): Promise<ServiceKey[]> {
    return Promise.resolve([KEY]);
  }

  ping(): Promise<{ epoch: string }> {
    return Promise.resolve({ epoch: 'e1' });
  }

  keep(own: ServiceInstance, _ttlMs: number, events: KeeperEvents): ReturnType<RegistryDriver['keep']> {
    this.events = events;
    const isOurs = (): boolean => this.records.get(own.id)?.owner === own.owner;
    return {
      holder: (signal) =>
        this.answering('holder', signal, (): Holder | undefined => {
          const record = this.records.get(own.id);
          if (record === undefined) return undefined;
          const { owner, host, port } = record;
          return { owner, host, port, isAlive: owner === undefined || !this.dead.has(owner) };
        }),
      put: (record, replacing, signal) =>
        this.answering('put', signal, () => {
          if (this.records.get(own.id)?.owner !== replacing?.owner) throw new RegistryError('conflict', 'changed');
          this.records.set(own.id, record);
        }),
      update: (record, signal) =>
        this.answering('update', signal, () => {
          if (!isOurs()) return 'lost' as const;
          this.records.set(own.id, record);
          return 'kept' as const;
        }),
      refresh: (signal) =>
        this.answering('refresh', signal, () => (this.records.has(own.id) ? ('kept' as const) : ('lost' as const))),
      remove: (signal) =>
        this.answering('remove', signal, () => {
          if (isOurs()) this.records.delete(own.id);
        }),
      close: () => {
        this.calls.push('close');
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** How often this call was made. */
  count(call: string): number {
    return this.calls.filter((made) => made === call).length;
  }

  private answering<T>(name: string, signal: AbortSignal, answer: () => T): Promise<T> {
    this.calls.push(name);
    switch (this.mode) {
      case 'ok':
        return Promise.resolve().then(answer);
      case 'down':
        return Promise.reject(new RegistryError('unavailable', 'down'));
      case 'denied':
        return Promise.reject(new RegistryError('forbidden', 'no'));
      case 'hang':
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
    }
  }
}
