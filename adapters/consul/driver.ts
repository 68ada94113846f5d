// Consul as the core's driver: one connection to an agent, services followed by blocking queries, records under TTL checks.
import type { Clock } from '../../src/util/clock.ts';
import type { DriverTraits, Reading, ReadingSink, RecordKeeper, RegistryDriver } from '../../src/registry/driver.ts';
import { RegistryError, sameKey } from '../../src/registry/types.ts';
import type { Capabilities, ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import { AgentCalls } from './agent-calls.ts';
import { CatalogChanges } from './catalog-changes.ts';
import { Connection } from './connection.ts';
import { followService } from './follow.ts';
import { namespaceOf, readHealth } from './health-list.ts';
import { IndexLooks } from './index-looks.ts';
import { ConsulKeeper } from './keeper.ts';
import { MAX_META_BYTES } from './meta.ts';
import { consulName, keyOfName, ListIds } from './names.ts';
import type { ConsulTarget } from './options.ts';
import { assertMayRead } from './rights.ts';

const CAPABILITIES: Capabilities = {
  liveness: 'ttl-check',
  watch: 'long-poll',
  onExpiry: 'critical',
  detectWithinMs: 2_000,
  nativeWeights: true,
  nativeHealth: true,
  exclusiveIds: false,
  tellsDeniedFromEmpty: true,
  minTtlMs: 1_000,
  maxMetadataBytes: MAX_META_BYTES,
};

const TRAITS: DriverTraits = {
  silenceMs: 12_000,
  callTimeoutMs: 8_000, // A read is up to three calls; those for our own record are held to a third of a TTL anyway.
  verifyEveryBeats: 3,
  isLocal: false,
  isStatic: false,
};

/** The catalog's own entry for Consul's servers: nothing to call. */
const OWN_SERVICE = 'consul';

/** Opens nothing yet. */
export function createConsulDriver(target: ConsulTarget, clock: Clock): RegistryDriver {
  return new ConsulDriver(target, clock);
}

class ConsulDriver implements RegistryDriver {
  readonly name = 'consul';
  readonly capabilities = CAPABILITIES;
  readonly traits = TRAITS;
  readonly clock: Clock;
  readonly connection: Connection;
  readonly calls: AgentCalls;
  private readonly ids = new Map<string, ListIds>();
  private readonly looks: IndexLooks;
  private readonly changes = new Map<string, CatalogChanges>();
  /** By the key itself: whoever follows a service does so with one and the same. */
  private readonly listedAtMs = new WeakMap<ServiceKey, number>();
  private readonly closing = new AbortController();
  private identity: Promise<string> | undefined = undefined;
  private lastIdentity = 'unknown';
  private lastFailure: unknown = undefined;

  constructor(target: ConsulTarget, clock: Clock) {
    this.clock = clock;
    this.connection = new Connection(target, clock);
    this.calls = new AgentCalls(this.connection);
    this.looks = new IndexLooks(this.connection, clock);
  }

  async follow(key: ServiceKey, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    const name = `${key.namespace} ${consulName(key)}`;
    const ids = new ListIds();
    this.ids.set(name, ids);
    try {
      await followService(key, sink, signal, {
        connection: this.connection,
        clock: this.clock,
        ids,
        changes: this.changesOf(key),
        looks: this.looks,
        listedAtMs: this.listedAtMs,
        followed: () => this.ids.size,
        epoch: () => this.epoch(),
      });
    } catch (error) {
      if (!signal.aborted && error !== this.lastFailure) {
        this.lastFailure = error; // The same one may reach all who follow a service: asked again once for all.
        this.identity = undefined; // Whoever answers next may be another agent.
      }
      throw error;
    } finally {
      if (this.ids.get(name) === ids) this.ids.delete(name);
    }
  }

  async read(key: ServiceKey, signal: AbortSignal): Promise<Reading> {
    const ids = this.ids.get(`${key.namespace} ${consulName(key)}`) ?? new ListIds();
    const query = { isConsistent: true, epoch: await this.epoch() };
    return (await readHealth(this.connection, key, ids, query, signal)).reading;
  }

  /** Of the configured namespace; groups are told by the names. */
  async list(prefix: Partial<ServiceKey>, signal: AbortSignal): Promise<ServiceKey[]> {
    const names = await this.calls.services(signal);
    if (names.size === 0) await assertMayRead(this.connection, '', {}, signal);
    return [...names.keys()]
      .filter((name) => name !== OWN_SERVICE)
      .map((name) => keyOfName(name, 'default'))
      .filter((key) => sameKey({ ...key, ...prefix }, key));
  }

  async ping(signal: AbortSignal): Promise<{ readonly epoch: string }> {
    await this.connection.request({ method: 'GET', path: '/v1/status/leader' }, signal);
    return { epoch: await this.epoch() };
  }

  keep(instance: ServiceInstance, ttlMs: number): RecordKeeper {
    return new ConsulKeeper(instance, ttlMs, this);
  }

  async close(): Promise<void> {
    this.closing.abort(new RegistryError('aborted', 'consul: closed'));
    this.calls.close();
    await this.connection.close();
  }

  private changesOf(key: ServiceKey): CatalogChanges {
    const known = this.changes.get(key.namespace);
    if (known !== undefined) return known;
    const changes = new CatalogChanges(this.connection, this.clock, namespaceOf(key));
    this.changes.set(key.namespace, changes);
    return changes;
  }

  /** Which agent this is; asked once until something fails. Without the right to ask, the index alone tells histories apart. */
  private epoch(): Promise<string> {
    this.identity ??= this.calls.self(this.closing.signal).then(
      (identity) => (this.lastIdentity = identity),
      (error: unknown) => {
        if (error instanceof RegistryError && error.kind === 'forbidden') return this.lastIdentity;
        this.identity = undefined;
        throw error;
      },
    );
    return this.identity;
  }
}
