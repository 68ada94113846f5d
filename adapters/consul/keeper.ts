// Our own record: an agent's service with a TTL check. Registered, reported on each third of a TTL, read back, taken away.
import type { Clock } from '../../src/util/clock.ts';
import { withDeadline } from '../../src/registry/deadline.ts';
import type { Holder, RecordKeeper } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceInstance } from '../../src/registry/types.ts';
import type { AgentCalls } from './agent-calls.ts';
import { decodeEntry, encodeRegistration, fields, statusOf, text } from './codec.ts';
import type { Connection } from './connection.ts';
import { namespaceOf } from './health-list.ts';
import { checkId, consulId, consulName } from './names.ts';

/** What the agent writes into a TTL check that it gave up on. */
const EXPIRED = /^TTL expired/;
const WRITE_TIMEOUT_MS = 5_000;

export class ConsulKeeper implements RecordKeeper {
  private readonly clock: Clock;
  private readonly connection: Connection;
  private readonly calls: AgentCalls;
  private readonly ttlMs: number;
  private readonly serviceId: string;
  private written: ServiceInstance;

  /** Throws RegistryError `invalid` for a name that Consul's URLs cannot hold. */
  constructor(
    instance: ServiceInstance,
    ttlMs: number,
    {
      clock,
      connection,
      calls,
    }: { readonly clock: Clock; readonly connection: Connection; readonly calls: AgentCalls },
  ) {
    this.clock = clock;
    this.connection = connection;
    this.calls = calls;
    this.ttlMs = ttlMs;
    this.serviceId = consulId(instance.key, instance.id);
    this.written = instance;
  }

  /** Both questions at once, so that a slow way costs its delay once. */
  async holder(signal: AbortSignal): Promise<Holder | undefined> {
    const [here, elsewhere] = await Promise.all([this.onThisAgent(signal), this.onAnotherAgent(signal)]);
    return here ?? elsewhere;
  }

  /** Consul has no "only if": who comes in between is found by the next sign of life, which knows its own check. */
  put(instance: ServiceInstance): Promise<void> {
    return this.write(instance);
  }

  async update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'> {
    if (isSameBut(instance, this.written)) {
      this.written = instance;
      return this.refresh(signal);
    }
    // Whoever leaves may have been replaced already by the next process of the same id, whose record it must not touch.
    if (instance.leaving === true && (await this.refresh(signal)) === 'lost') return 'lost';
    await this.write(instance);
    return 'kept';
  }

  async refresh(signal: AbortSignal): Promise<'kept' | 'lost'> {
    const status = statusOf(this.written.health);
    return (await this.calls.report(this.checkId, status, signal)) === 'taken' ? 'kept' : 'lost';
  }

  async remove(signal: AbortSignal): Promise<void> {
    const now = await this.onThisAgent(signal);
    if (now === undefined || now.owner !== this.written.owner) return;
    await this.calls.deregister(this.serviceId, signal);
  }

  close(): void {
    // Connections belong to the driver.
  }

  /** Goes on when its caller gives up: what was sent may land, and must have landed before the record is taken away. */
  private async write(instance: ServiceInstance): Promise<void> {
    await withDeadline(this.clock, WRITE_TIMEOUT_MS, [], (signal) =>
      this.connection.request(
        {
          method: 'PUT',
          path: '/v1/agent/service/register',
          query: { 'replace-existing-checks': 'true', ...namespaceOf(instance.key) },
          body: encodeRegistration(instance, this.ttlMs),
        },
        signal,
      ),
    );
    this.written = instance;
  }

  private get checkId(): string {
    return checkId(this.serviceId, this.written.owner);
  }

  /** What the agent we talk to holds under our id, whatever service it calls it. */
  private async onThisAgent(signal: AbortSignal): Promise<Holder | undefined> {
    const { status, text: body } = await this.connection.request(
      {
        method: 'GET',
        path: `/v1/agent/health/service/id/${encodeURIComponent(this.serviceId)}`,
        query: namespaceOf(this.written.key),
        accepts: [404, 429, 503], // Not there; warning; critical. The body has it all.
      },
      signal,
    );
    if (status === 404) return undefined;
    const { Service, Checks } = fields(parse(body));
    if (text(fields(Service)['ID']) === undefined) {
      throw new RegistryError('unavailable', `consul agent/health: ${status}`); // A limit or a proxy, not the agent's word.
    }
    return this.holderOf({ Service, Checks });
  }

  /** Another agent may have our id too: Consul keeps them apart, callers could not. */
  private async onAnotherAgent(signal: AbortSignal): Promise<Holder | undefined> {
    const { key } = this.written;
    const { text: body } = await this.connection.request(
      {
        method: 'GET',
        path: `/v1/health/service/${encodeURIComponent(consulName(key))}`,
        query: { filter: `Service.ID == ${JSON.stringify(this.serviceId)}`, ...namespaceOf(key) },
      },
      signal,
    );
    const entries = parse(body);
    const holders = (Array.isArray(entries) ? (entries as unknown[]) : []).map((entry) => this.holderOf(entry));
    return holders.find((holder) => holder.isAlive) ?? holders[0];
  }

  private holderOf(entry: unknown): Holder {
    const decoded = decodeEntry(this.written.key, entry);
    const { Checks, Service } = fields(entry);
    const checks = Array.isArray(Checks) ? (Checks as unknown[]).map(fields) : [];
    const isDead = checks.some(
      ({ Status, Output, CheckID }) =>
        Status === 'critical' && (EXPIRED.test(text(Output) ?? '') || CheckID === 'serfHealth'),
    );
    if ('reason' in decoded) {
      const host = text(fields(Service)['Address']) ?? '?';
      return { owner: undefined, host, port: Number(fields(Service)['Port']), isAlive: !isDead };
    }
    const { owner, host, port } = decoded.instance;
    return { owner, host, port, isAlive: !isDead };
  }
}

/** True where nothing but the status of the check has changed. */
function isSameBut(a: ServiceInstance, b: ServiceInstance): boolean {
  return (
    a.weight === b.weight &&
    a.zone === b.zone &&
    a.leaving === b.leaving &&
    a.tags === b.tags &&
    a.metadata === b.metadata &&
    (a.health === 'unknown') === (b.health === 'unknown')
  );
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new RegistryError('protocol', 'consul: not JSON', { cause: error });
  }
}
