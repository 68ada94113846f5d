// All that one process does in one namespace over its one connection: queries, subscriptions, publications.
import { sleep, type Clock } from '../../src/util/clock.ts';
import { withDeadline } from '../../src/registry/deadline.ts';
import type { Reading, ReadingSink } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceKey } from '../../src/registry/types.ts';
import type { Fields } from './answer.ts';
import type { Connection } from './connection.ts';
import { Link, type LinkOptions } from './link.ts';
import { groupedName, type NacosName } from './names.ts';
import { groupAndService, Publication } from './publication.ts';
import { readingFrom, refTimeOf } from './record.ts';
import { SharedReads } from './shared-reads.ts';

/** A followed service. */
interface Subscription {
  readonly name: NacosName;
  pushed(info: Fields): void;
}

/** A service is asked for anew this often, in case a push was lost or a right taken away; less often where there are many. */
const MIN_REQUERY_MS = 10_000;
const MAX_REQUERY_MS = 45_000;
const REQUERY_MS_PER_SERVICE = 1_000;
/**
 * Deadline of one question about a followed service: the connection is heard by its checks, whether this is answered or not.
 * Longer than a call's, since a long list over a slow way is one answer; within the 15 s of REGISTRIES §2.7.
 */
const ASK_TIMEOUT_MS = 10_000;
const PAGE_SIZE = 500;
const MAX_PAGES = 100;

/** Pushes name no namespace, so each has a connection of its own. One writer: the driver. */
export class Namespace {
  readonly link: Link;
  private readonly clock: Clock;
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly unsubscribing = new Map<string, Promise<unknown>>();
  private readonly publications = new Map<string, Publication>();
  private readonly reads: SharedReads;

  constructor(options: LinkOptions) {
    this.clock = options.clock;
    this.reads = new SharedReads(options.clock);
    this.link = new Link(options);
    this.link.listen({
      onReady: () => {
        for (const publication of this.publications.values()) publication.renew();
      },
      onPush: (type, body) => {
        if (type === 'NotifySubscriberRequest') this.dispatch(body);
      },
    });
  }

  /** The publication of a service, made where there is none. */
  publication(name: NacosName): Publication {
    const id = groupedName(name);
    let publication = this.publications.get(id);
    if (publication === undefined) {
      publication = new Publication({ link: this.link, name, clock: this.clock });
      this.publications.set(id, publication);
    }
    return publication;
  }

  /** One read. Those who ask while an answer is on its way share it. */
  read(key: ServiceKey, name: NacosName, signal: AbortSignal): Promise<Reading> {
    return this.reads.read(groupedName(name), signal, async (limit) => {
      const connection = await this.link.ready(limit);
      return readingFrom(key, await this.query(connection, name, limit), connection.id);
    });
  }

  /** Subscribes, and reports until the signal aborts or the connection ends, which rejects. */
  async follow(key: ServiceKey, name: NacosName, sink: ReadingSink, signal: AbortSignal): Promise<void> {
    const id = groupedName(name);
    await this.unsubscribing.get(id)?.catch(() => undefined);
    const connection = await this.link.ready(signal);
    const over = new AbortController();
    const onAbort = (): void => over.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    let refTime = -1;
    const deliver = (info: Fields): void => {
      // Two answers may overtake each other; a server's clock is compared with itself only.
      if (refTimeOf(info) < refTime) sink.alive();
      else {
        refTime = refTimeOf(info);
        sink.reading(readingFrom(key, info, connection.id));
      }
    };
    const subscription = { name, pushed: deliver };
    this.subscriptions.set(id, subscription);
    const unlisten = this.link.listen({
      onAlive: () => sink.alive(),
      onEnd: (ended, reason) => {
        if (ended === connection) over.abort(reason);
      },
    });
    try {
      if (connection.ended !== undefined) throw connection.ended;
      deliver(await this.subscribe(connection, name, true, over.signal));
      for (;;) {
        await this.rest(over.signal);
        deliver(await this.query(connection, name, over.signal));
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      unlisten();
      if (this.subscriptions.get(id) === subscription) this.subscriptions.delete(id);
      if (signal.aborted) this.unsubscribe(connection, name);
    }
  }

  /** All services of one group: servers list no more at once. */
  async services(groupName: string, signal: AbortSignal): Promise<string[]> {
    const connection = await this.link.ready(signal);
    const place = { module: 'naming', namespace: this.link.namespaceId, serviceName: '', groupName };
    const found: string[] = [];
    for (let pageNo = 1; pageNo <= MAX_PAGES; pageNo++) {
      const fields = { ...place, pageNo, pageSize: PAGE_SIZE };
      const answer = await this.link.request(connection, 'ServiceListRequest', fields, signal);
      const names = Array.isArray(answer['serviceNames']) ? (answer['serviceNames'] as unknown[]) : [];
      for (const name of names) {
        if (typeof name === 'string') found.push(name.slice(name.indexOf('@@') + 1).replace(/^@/, ''));
      }
      if (names.length < PAGE_SIZE) break;
    }
    return found;
  }

  close(): void {
    this.reads.close();
    this.link.close();
  }

  private dispatch(body: Fields): void {
    const info = body['serviceInfo'];
    if (typeof info !== 'object' || info === null) return;
    const fields = info as Fields;
    const id = groupedName({
      namespaceId: '',
      groupName: String(fields['groupName']),
      serviceName: String(fields['name']),
    });
    this.subscriptions.get(id)?.pushed(fields); // What nobody asked for changes nothing.
  }

  private subscribe(
    connection: Connection,
    name: NacosName,
    subscribe: boolean,
    signal?: AbortSignal,
  ): Promise<Fields> {
    const fields = {
      module: 'naming',
      namespace: name.namespaceId,
      ...groupAndService(name),
      subscribe,
      clusters: '',
    };
    return this.ask(connection, 'SubscribeServiceRequest', fields, signal);
  }

  private query(connection: Connection, name: NacosName, signal: AbortSignal): Promise<Fields> {
    const fields = {
      module: 'naming',
      namespace: name.namespaceId,
      ...groupAndService(name),
      cluster: '',
      healthyOnly: false,
      udpPort: 0,
    };
    return this.ask(connection, 'ServiceQueryRequest', fields, signal);
  }

  private async ask(connection: Connection, type: string, fields: Fields, signal?: AbortSignal): Promise<Fields> {
    const parents = signal === undefined ? [] : [signal];
    const call = (limit: AbortSignal): Promise<Fields> => this.link.request(connection, type, fields, limit);
    return infoOf(await withDeadline(this.clock, ASK_TIMEOUT_MS, parents, call));
  }

  private unsubscribe(connection: Connection, name: NacosName): void {
    if (connection.ended !== undefined) return;
    const id = groupedName(name);
    const done = this.subscribe(connection, name, false);
    this.unsubscribing.set(id, done);
    const forget = (): void => {
      if (this.unsubscribing.get(id) === done) this.unsubscribing.delete(id);
    };
    done.then(forget, forget);
  }

  private async rest(signal: AbortSignal): Promise<void> {
    const wantedMs = this.subscriptions.size * REQUERY_MS_PER_SERVICE;
    const meanMs = Math.min(MAX_REQUERY_MS, Math.max(MIN_REQUERY_MS, wantedMs));
    await sleep(this.clock, meanMs * (0.8 + 0.4 * this.clock.random()), signal);
  }
}

function infoOf(answer: Fields): Fields {
  const info = answer['serviceInfo'];
  if (typeof info !== 'object' || info === null) throw new RegistryError('protocol', 'nacos: an answer without a list');
  return info as Fields;
}
