// A cluster made of functions: what the adapter's parts are tested against where a real server could not be made to do it.
import { EventEmitter } from 'node:events';
import type { Etcd3, IEvent, IKeyValue, IResponseHeader } from 'etcd3';
import type { Cluster } from '../../../../adapters/etcd/cluster.ts';
import { etcdError } from '../../../../adapters/etcd/errors.ts';

/** A stream that remembers what is written, and says what the test makes it say. */
export class FakeStream extends EventEmitter {
  readonly written: Record<string, Record<string, unknown>>[] = [];
  write(request: Record<string, Record<string, unknown>>): void {
    this.written.push(request);
  }
}

/** What `client.kv.range` and so on are in a test. */
export type FakeClient = Readonly<Record<string, Readonly<Record<string, (request: never) => Promise<unknown>>>>>;

/** Unary calls go to `client`; each stream that is opened is a new `FakeStream`. */
export class FakeCluster {
  readonly streams: FakeStream[] = [];
  isCurrent = true;
  private readonly client: FakeClient;

  constructor(client: FakeClient = {}) {
    this.client = client;
  }

  get asCluster(): Cluster {
    return this as unknown as Cluster;
  }

  unary<T>(_where: string, _signal: AbortSignal, call: (client: Etcd3, options: object) => Promise<T>): Promise<T> {
    return call(this.client as unknown as Etcd3, {});
  }

  stream(where: string): Promise<object> {
    const stream = new FakeStream();
    this.streams.push(stream);
    const failed = (error: Error): Error => etcdError(error, where);
    return Promise.resolve({ stream, isCurrent: () => this.isCurrent, failed });
  }
}

export function header(revision: number, clusterId = 'c1'): IResponseHeader {
  return { cluster_id: clusterId, member_id: 'm', revision: String(revision), raft_term: '1' };
}

export function keyValue(key: string, value: string, revision = 1): IKeyValue {
  return {
    key: Buffer.from(key),
    value: Buffer.from(value),
    create_revision: String(revision),
    mod_revision: String(revision),
    version: '1',
    lease: '0',
  };
}

export function put(key: string, value: string, revision = 2): IEvent {
  return { type: 'Put', kv: keyValue(key, value, revision), prev_kv: keyValue(key, value) };
}

export function remove(key: string, revision = 3): IEvent {
  return { type: 'Delete', kv: keyValue(key, '', revision), prev_kv: keyValue(key, '') };
}
