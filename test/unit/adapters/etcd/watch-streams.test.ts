import type { IEvent } from 'etcd3';
import { describe, expect, test } from 'vitest';
import { WatchStreams } from '../../../../adapters/etcd/watch-streams.ts';
import type { RegistryError } from '../../../../src/registry/types.ts';
import { FakeCluster, header, put, type FakeStream } from './fake-cluster.ts';

interface Seen {
  readonly keys: string[];
  readonly revisions: number[];
  end: RegistryError | 'compacted' | undefined;
}

interface Watching extends Seen {
  unwatch(): void;
}

function watch(streams: WatchStreams, prefix: string): Watching {
  const seen: Seen = { keys: [], revisions: [], end: undefined };
  const unwatch = streams.watch(prefix, 2, {
    heard: ({ revision }) => seen.revisions.push(revision),
    events: (events) => seen.keys.push(events.map(({ kv }) => kv.key.toString()).join('+')),
    ended: (error) => (seen.end = error),
  });
  return Object.assign(seen, { unwatch });
}

function answer(stream: FakeStream | undefined, fields: Record<string, unknown>): void {
  stream?.emit('data', {
    header: header(5),
    watch_id: '0',
    created: false,
    canceled: false,
    compact_revision: '0',
    cancel_reason: '',
    fragment: false,
    events: [] as IEvent[],
    ...fields,
  });
}

const opened = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a watch stream', () => {
  test('is shared, with ids of ours, progress and fragments', async () => {
    const cluster = new FakeCluster();
    const streams = new WatchStreams(cluster.asCluster);
    const [a, b] = [watch(streams, '/a/'), watch(streams, '/b/')];
    await opened();
    const [stream] = cluster.streams;
    expect(cluster.streams).toHaveLength(1);
    expect(stream?.written.map((request) => request['create_request'])).toMatchObject([
      { key: Buffer.from('/a/'), range_end: Buffer.from('/a0'), start_revision: 2, watch_id: '1' },
      { key: Buffer.from('/b/'), progress_notify: true, fragment: true, watch_id: '2' },
    ]);
    answer(stream, { created: true, watch_id: '1' });
    answer(stream, { created: true, watch_id: '2' });
    answer(stream, { watch_id: '2', events: [put('/b/x', '')] });
    answer(stream, { watch_id: '1', header: header(9) });
    expect(a).toMatchObject({ keys: [], revisions: [5, 9] });
    expect(b.keys).toEqual(['/b/x']);
  });

  test('gives the fragments of a revision as one', async () => {
    const cluster = new FakeCluster();
    const a = watch(new WatchStreams(cluster.asCluster), '/a/');
    await opened();
    const [stream] = cluster.streams;
    answer(stream, { created: true, watch_id: '1' });
    answer(stream, { watch_id: '1', fragment: true, events: [put('/a/1', '')] });
    answer(stream, { watch_id: '1', fragment: true, events: [put('/a/2', '')] });
    expect(a.keys).toEqual([]);
    answer(stream, { watch_id: '1', events: [put('/a/3', '')] });
    answer(stream, { watch_id: '1', events: [put('/a/4', '')] });
    expect(a.keys).toEqual(['/a/1+/a/2+/a/3', '/a/4']);
  });

  test('a refused creation concerns its own watcher alone, with the id −1 of newer servers as with its own', async () => {
    const cluster = new FakeCluster();
    const streams = new WatchStreams(cluster.asCluster);
    const [a, b, c] = [watch(streams, '/a/'), watch(streams, '/b/'), watch(streams, '/c/')];
    await opened();
    const [stream] = cluster.streams;
    const refused = { created: true, canceled: true, cancel_reason: 'rpc error: etcdserver: permission denied' };
    answer(stream, { ...refused, watch_id: '-1' });
    answer(stream, { created: true, watch_id: '2' });
    answer(stream, { ...refused, watch_id: '3' });
    answer(stream, { watch_id: '2', events: [put('/b/x', '')] });
    expect(a.end).toMatchObject({ kind: 'forbidden' });
    expect(b).toMatchObject({ end: undefined, keys: ['/b/x'] });
    expect(c.end).toMatchObject({ kind: 'forbidden' });
  });

  test('compaction is told as such, and an end to all', async () => {
    const cluster = new FakeCluster();
    const streams = new WatchStreams(cluster.asCluster);
    const [a, b] = [watch(streams, '/a/'), watch(streams, '/b/')];
    await opened();
    const [stream] = cluster.streams;
    answer(stream, { created: true, watch_id: '1' });
    answer(stream, { created: true, watch_id: '2' });
    answer(stream, { watch_id: '1', canceled: true, compact_revision: '9' });
    expect(a.end).toBe('compacted');
    stream?.emit('error', new Error('14 UNAVAILABLE: Connection dropped'));
    stream?.emit('end');
    expect(b.end).toMatchObject({ kind: 'unavailable', message: 'watch: Connection dropped' });
    watch(streams, '/c/');
    await opened();
    expect(cluster.streams).toHaveLength(2);
  });

  test('one that was opened with another token is left to those who are on it', async () => {
    const cluster = new FakeCluster();
    const streams = new WatchStreams(cluster.asCluster);
    const a = watch(streams, '/a/');
    await opened();
    cluster.isCurrent = false;
    watch(streams, '/b/');
    await opened();
    expect(cluster.streams).toHaveLength(2);
    answer(cluster.streams[0], { created: true, watch_id: '1' });
    answer(cluster.streams[0], { watch_id: '1', events: [put('/a/x', '')] });
    expect(a.keys).toEqual(['/a/x']);
  });

  test('who stopped watching hears nothing more', async () => {
    const cluster = new FakeCluster();
    const streams = new WatchStreams(cluster.asCluster);
    const [a, b] = [watch(streams, '/a/'), watch(streams, '/b/')];
    await opened();
    const [stream] = cluster.streams;
    a.unwatch();
    answer(stream, { created: true, watch_id: '1' });
    answer(stream, { created: true, watch_id: '2' });
    answer(stream, { watch_id: '1', events: [put('/a/x', '')] });
    answer(stream, { watch_id: '2', events: [put('/b/x', '')] });
    expect(stream?.written.at(-1)).toEqual({ cancel_request: { watch_id: '1' } });
    expect([a.keys, b.keys]).toEqual([[], ['/b/x']]);
    streams.close();
    expect(b.end).toMatchObject({ kind: 'aborted' });
  });
});
