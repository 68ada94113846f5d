// Raw watch streams, each shared by many watchers: creation, events, fragments, progress, and how any of it ends.
import type { IDuplexStream, IEvent, IWatchRequest, IWatchResponse } from 'etcd3';
import { RegistryError } from '../../src/registry/types.ts';
import type { Cluster, OpenStream } from './cluster.ts';
import { etcdError, kindOfWords } from './errors.ts';
import { rangeEnd } from './range.ts';

type WatchStream = IDuplexStream<IWatchRequest, IWatchResponse>;

/** What every answer says of the server. */
export interface Heard {
  readonly clusterId: string;
  /** At the creation, a member that lags behind may still be below the revision that is asked for. */
  readonly revision: number;
  readonly isCreation: boolean;
}

/** What a watcher is told. After `ended` nothing more comes. */
export interface Watcher {
  /** The server was heard: a watcher judges by it whether this is still the history it began in. */
  heard(from: Heard): void;
  /** All events of one or more revisions, in order. */
  events(events: readonly IEvent[]): void;
  ended(error: RegistryError | 'compacted'): void;
}

/** Watchers on one stream; then another one is opened. */
const MAX_WATCHERS = 1_000;

/** The streams of one cluster. A new watcher goes on the newest one, if that was opened with the token in use. */
export class WatchStreams {
  private readonly cluster: Cluster;
  private newest: SharedStream | undefined = undefined;
  private readonly open = new Set<SharedStream>();

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Watches a prefix from `startRevision` on; gives what ends it. */
  watch(prefix: string, startRevision: number, watcher: Watcher): () => void {
    const isUsable = this.newest?.isUsable === true;
    if (!isUsable) {
      const stream = new SharedStream(this.cluster, () => this.open.delete(stream));
      this.open.add(stream);
      this.newest = stream;
    }
    return this.newest?.add(prefix, startRevision, watcher) ?? (() => undefined);
  }

  close(): void {
    for (const stream of [...this.open]) stream.close(new RegistryError('aborted', 'the registry is closed'));
  }
}

class SharedStream {
  private readonly cluster: Cluster;
  private readonly onClosed: () => void;
  private readonly closing = new AbortController();
  private opened: OpenStream<WatchStream> | undefined = undefined;
  /** Asked for before the stream was open. */
  private readonly unsent: IWatchRequest[] = [];
  private readonly watchers = new Map<string, Watcher>();
  /** Ids in the order of their creation requests: answers to those come in the same order. */
  private readonly uncreated: string[] = [];
  private readonly fragments = new Map<string, IEvent[]>();
  private lastId = 0;

  constructor(cluster: Cluster, onClosed: () => void) {
    this.cluster = cluster;
    this.onClosed = onClosed;
    void this.start();
  }

  get isUsable(): boolean {
    return !this.closing.signal.aborted && this.lastId < MAX_WATCHERS && (this.opened?.isCurrent() ?? true);
  }

  add(prefix: string, startRevision: number, watcher: Watcher): () => void {
    const id = String(++this.lastId);
    this.watchers.set(id, watcher);
    this.uncreated.push(id);
    const create_request = {
      key: prefix === '' ? Buffer.from([0]) : Buffer.from(prefix),
      range_end: rangeEnd(prefix),
      start_revision: startRevision,
      progress_notify: true,
      watch_id: id,
      fragment: true,
    };
    this.send({ create_request });
    return () => {
      if (!this.watchers.delete(id) || this.closing.signal.aborted) return;
      this.fragments.delete(id);
      if (this.watchers.size === 0) this.close(undefined);
      else this.send({ cancel_request: { watch_id: id } });
    };
  }

  close(error: RegistryError | undefined): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort(error ?? new RegistryError('aborted', 'nobody watches'));
    const watchers = [...this.watchers.values()];
    this.watchers.clear();
    this.onClosed();
    if (error !== undefined) for (const watcher of watchers) watcher.ended(error);
  }

  private async start(): Promise<void> {
    const { signal } = this.closing;
    try {
      const opened = await this.cluster.stream('watch', signal, (client, options) => client.watchClient.watch(options));
      const { stream } = opened;
      stream.on('data', (response) => this.take(response));
      stream.on('error', (error) => this.close(opened.failed(error)));
      stream.on('end', () => this.close(new RegistryError('unavailable', 'etcd: the watch stream ended')));
      if (signal.aborted) return;
      this.opened = opened;
      for (const request of this.unsent.splice(0)) stream.write(request);
    } catch (error) {
      this.close(etcdError(error, 'etcd: watch'));
    }
  }

  private send(request: IWatchRequest): void {
    if (this.opened === undefined) this.unsent.push(request);
    else this.opened.stream.write(request);
  }

  private take(response: IWatchResponse): void {
    // A refused creation has the id −1 on newer servers: whose it is, only the order tells.
    const id = response.created ? this.uncreated.shift() : response.watch_id;
    if (id === undefined) return;
    const { cluster_id: clusterId, revision } = response.header;
    if (response.canceled) {
      this.cancelled(id, response);
      return;
    }
    const watcher = this.watchers.get(id);
    if (watcher === undefined) return; // Cancelled meanwhile.
    watcher.heard({ clusterId, revision: Number(revision), isCreation: response.created });
    const events = this.gather(id, response);
    if (events.length > 0) this.watchers.get(id)?.events(events);
  }

  private gather(id: string, response: IWatchResponse): readonly IEvent[] {
    const before = this.fragments.get(id) ?? [];
    const events = before.length === 0 ? response.events : [...before, ...response.events];
    if (!response.fragment) {
      this.fragments.delete(id);
      return events;
    }
    this.fragments.set(id, events);
    return [];
  }

  private cancelled(id: string, response: IWatchResponse): void {
    const watcher = this.watchers.get(id);
    this.watchers.delete(id);
    this.fragments.delete(id);
    if (watcher === undefined) return;
    if (Number(response.compact_revision) > 0) watcher.ended('compacted');
    else {
      const reason = response.cancel_reason.slice(0, 200);
      watcher.ended(new RegistryError(kindOfWords(reason) ?? 'protocol', `etcd: watch refused: ${reason}`));
    }
    if (this.watchers.size === 0) this.close(undefined);
  }
}
