import type { IRangeRequest } from 'etcd3';
import { describe, expect, test } from 'vitest';
import { rangeEnd, RangeReader } from '../../../../adapters/etcd/range.ts';
import { RegistryError } from '../../../../src/registry/types.ts';
import { FakeCluster, header, keyValue } from './fake-cluster.ts';

const never = new AbortController().signal;
const KEYS = Array.from({ length: 1_200 }, (_, n) => `/p/${String(n).padStart(5, '0')}`);

/** Answers as etcd does; `before` may throw, or change the header. */
function serverOf(before: (request: IRangeRequest, count: number) => string | undefined = () => undefined): {
  readonly reader: RangeReader;
  readonly asked: IRangeRequest[];
} {
  const asked: IRangeRequest[] = [];
  const range = async (request: IRangeRequest): Promise<unknown> => {
    asked.push(request);
    const clusterId = before(request, asked.length);
    const limit = Number(request.limit);
    const from = KEYS.filter((key) => Buffer.from(key).compare(request.key ?? Buffer.alloc(0)) >= 0);
    const kvs = from.slice(0, limit).map((key) => keyValue(key, ''));
    return { header: header(7 + asked.length, clusterId), kvs, more: from.length > limit, count: String(from.length) };
  };
  const reader = new RangeReader(new FakeCluster({ kv: { range } }).asCluster);
  return { reader, asked };
}

describe('a ranged read', () => {
  test('is made of pages at the revision of the first one', async () => {
    const { reader, asked } = serverOf();
    const list = await reader.list('/p/', never);
    expect(list.kvs.map((kv) => kv.key.toString())).toEqual(KEYS);
    expect(list).toMatchObject({ revision: 8, clusterId: 'c1' });
    expect(asked.map(({ revision }) => revision)).toEqual([undefined, '8', '8']);
  });

  test('asks for smaller pages where full ones take too long, and goes on so', async () => {
    const { reader, asked } = serverOf(({ limit }) => {
      if (Number(limit) > 100) throw new RegistryError('timeout', 'no answer within 3000 ms');
      return undefined;
    });
    expect((await reader.list('/p/', never)).kvs).toHaveLength(KEYS.length);
    expect(Math.max(...asked.slice(2).map(({ limit }) => Number(limit)))).toBeLessThanOrEqual(100);
    const before = asked.length;
    await reader.list('/p/', never);
    expect(Number(asked[before]?.limit)).toBeLessThanOrEqual(100);
  });

  test('is no list where two clusters answer, or none does', async () => {
    const two = serverOf((_request, count) => (count === 2 ? 'c2' : 'c1'));
    await expect(two.reader.list('/p/', never)).rejects.toMatchObject({ kind: 'protocol' });
    const none = serverOf(() => {
      throw new RegistryError('timeout', 'no answer within 3000 ms');
    });
    await expect(none.reader.list('/p/', never)).rejects.toMatchObject({ kind: 'timeout' });
  });

  test('ends behind all that begins with the prefix', () => {
    expect(rangeEnd('/p/')).toEqual(Buffer.from('/p0'));
    expect(rangeEnd('a\u007f')).toEqual(Buffer.from([0x61, 0x80]));
    expect(rangeEnd('')).toEqual(Buffer.from([0]));
  });
});
