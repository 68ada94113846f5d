// One lookup: the name's records as instances, with the time they are good for. No answer is an error, "none" is an answer.
import { Resolver } from 'node:dns/promises';
import { instanceFrom } from '../../src/registry/record.ts';
import { RegistryError, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import { dnsName, type DnsSettings } from './options.ts';

/** What a name stands for now. */
export interface Looked {
  readonly instances: readonly ServiceInstance[];
  readonly rejected: readonly { readonly ref: string; readonly reason: string }[];
  /** In ms, as the records say; undefined where none was heard. */
  readonly ttlMs: number | undefined;
}

interface Address {
  readonly address: string;
  readonly ttlMs: number;
}

/** An SRV record with one address of its target. */
interface Endpoint extends Address {
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** Of one try; a lookup is two tries for each server. */
const TIMEOUT_MS = 1_500;
const TRIES = 2;
/** SRV records of one name that are taken; each is one more lookup. */
const MAX_TARGETS = 512;
const TARGETS_AT_ONCE = 16;
const MAX_WEIGHT = 1_000;
const ORDINARY_WEIGHT = 100;
/** The name, or its records of this type, do not exist: what a service without instances looks like. */
const NONE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'ENOTIMP']); // NOTIMP: old servers, of AAAA.

/** Asks the resolvers. `close()` ends what is under way. */
export class Lookup {
  private readonly settings: DnsSettings;
  private readonly resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });

  constructor(settings: DnsSettings) {
    this.settings = settings;
    if (settings.servers.length > 0) this.resolver.setServers(settings.servers);
  }

  /** Rejects with RegistryError `unavailable` or `timeout` where no resolver gave an answer; never empty because of that. */
  async look(key: ServiceKey): Promise<Looked> {
    const name = dnsName(this.settings, key);
    const endpoints = this.settings.type === 'srv' ? await this.services(name) : await this.hosts(name);
    const lowest = Math.min(...endpoints.map(({ priority }) => priority));
    const weights = weightsOf(endpoints.filter(({ priority }) => priority === lowest));
    const instances = new Map<string, ServiceInstance>();
    const rejected: { ref: string; reason: string }[] = [];
    for (const endpoint of endpoints) {
      const { address, port, priority } = endpoint;
      const id = `${address.includes(':') ? `[${address}]` : address}:${port}`;
      const decoded = instanceFrom(key, id, {
        host: address,
        port,
        weight: weights.get(endpoint) ?? ORDINARY_WEIGHT,
        health: 'passing',
        enabled: priority === lowest, // RFC 2782: others wait until the record says otherwise.
      });
      if ('reason' in decoded) rejected.push({ ref: id, reason: decoded.reason });
      else instances.set(id, decoded.instance);
    }
    const ttls = endpoints.map(({ ttlMs }) => ttlMs);
    return { instances: [...instances.values()], rejected, ttlMs: ttls.length === 0 ? undefined : Math.min(...ttls) };
  }

  /** Resolves where a resolver answers anything. */
  async ping(): Promise<void> {
    await this.ask('.', () => this.resolver.resolveNs('.')).catch((error: unknown) => {
      const { code } = (error as Error).cause as NodeJS.ErrnoException;
      if (code !== 'ESERVFAIL' && code !== 'EREFUSED' && code !== 'EFORMERR') throw error;
    });
  }

  close(): void {
    this.resolver.cancel();
  }

  private async hosts(name: string): Promise<Endpoint[]> {
    const addresses = await this.addresses(name);
    return addresses.map((address) => ({ ...address, port: this.settings.port, priority: 0, weight: 0 }));
  }

  private async services(name: string): Promise<Endpoint[]> {
    const records = (await this.ask(name, () => this.resolver.resolveSrv(name))) ?? [];
    // "." as the target means that the service is decidedly not there (RFC 2782).
    const targets = records.filter((record) => record.name !== '' && record.name !== '.').slice(0, MAX_TARGETS);
    const endpoints: Endpoint[] = [];
    for (let first = 0; first < targets.length; first += TARGETS_AT_ONCE) {
      const some = targets.slice(first, first + TARGETS_AT_ONCE);
      const found = await Promise.all(
        some.map(async ({ name: target, port, priority, weight }) =>
          (await this.addresses(target)).map((address) => ({ ...address, port, priority, weight })),
        ),
      );
      endpoints.push(...found.flat());
    }
    return endpoints;
  }

  /** Both families; one that has no answer is an error also where the other has one: half a list would look like a loss. */
  private async addresses(name: string): Promise<Address[]> {
    const [four = [], six = []] = await Promise.all([
      this.ask(name, () => this.resolver.resolve4(name, { ttl: true })),
      this.ask(name, () => this.resolver.resolve6(name, { ttl: true })),
    ]);
    return [...four, ...six].map(({ address, ttl }) => ({ address, ttlMs: ttl * 1_000 }));
  }

  /** The records; undefined where there are none. */
  private async ask<T>(name: string, query: () => Promise<T>): Promise<T | undefined> {
    try {
      return await query();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (NONE.has(code)) return undefined;
      const kind = code === 'ETIMEOUT' ? 'timeout' : code === 'ECANCELLED' ? 'aborted' : 'unavailable';
      throw new RegistryError(kind, `dns ${name}: ${code}`, { cause: error });
    }
  }
}

/** SRV weights mean something relative to each other only; all alike is ordinary, and 0 still gets a little (RFC 2782). */
function weightsOf(endpoints: readonly Endpoint[]): ReadonlyMap<Endpoint, number> {
  const heaviest = Math.max(0, ...endpoints.map(({ weight }) => weight));
  const areAlike = endpoints.every(({ weight }) => weight === heaviest);
  const scale = heaviest > MAX_WEIGHT ? MAX_WEIGHT / heaviest : 1;
  return new Map(
    endpoints.map((endpoint) => [
      endpoint,
      areAlike ? ORDINARY_WEIGHT : Math.max(1, Math.round(endpoint.weight * scale)),
    ]),
  );
}
