import { describe, expect, test } from 'vitest';
import { grpcFormat } from '../../../../adapters/etcd/format-grpc.ts';
import { pilotfishFormat } from '../../../../adapters/etcd/format-pilotfish.ts';
import { ServiceFold } from '../../../../adapters/etcd/service-fold.ts';
import { serviceKey } from '../../../../src/registry/types.ts';
import { keyValue, put, remove } from './fake-cluster.ts';

const KEY = serviceKey('orders');
const PREFIX = '/p/default/default/orders/';
const record = (fields: object = {}): string => JSON.stringify({ v: 1, host: '10.0.0.1', port: 80, ...fields });

function foldOf(...kvs: ReturnType<typeof keyValue>[]): ServiceFold {
  return new ServiceFold(KEY, pilotfishFormat('/p'), { kvs, revision: 5, clusterId: 'c1' });
}

describe('the records of a service', () => {
  test('are the list and what came after it', () => {
    const fold = foldOf(keyValue(`${PREFIX}a`, record()), keyValue(`${PREFIX}b`, record()));
    fold.apply([put(`${PREFIX}c`, record(), 6), remove(`${PREFIX}a`, 7)]);
    const reading = fold.reading();
    expect(reading.instances.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(reading).toMatchObject({ revision: '7', sequence: 7, epoch: 'c1', rejected: [] });
  });

  test('that did not change are the same objects', () => {
    const fold = foldOf(keyValue(`${PREFIX}a`, record()), keyValue(`${PREFIX}b`, record()));
    const [a] = fold.reading().instances;
    fold.apply([put(`${PREFIX}b`, record({ weight: 1 }))]);
    expect(fold.reading().instances[0]).toBe(a);
  });

  test('are in order of their ids, whatever order they came in', () => {
    const fold = foldOf(keyValue(`${PREFIX}%62`, record()), keyValue(`${PREFIX}d`, record()));
    fold.apply([put(`${PREFIX}c`, record()), put(`${PREFIX}a`, record()), put(`${PREFIX}e`, record())]);
    const ids = (): string[] => fold.reading().instances.map(({ id }) => id);
    expect(ids()).toEqual(['a', 'b', 'c', 'd', 'e']);
    fold.apply([remove(`${PREFIX}c`), put(`${PREFIX}d`, record({ weight: 1 })), put(`${PREFIX}a`, '{')]);
    expect(ids()).toEqual(['b', 'd', 'e']);
  });

  test('of which two claim one id are both told, the one that was there first before the other', () => {
    const fold = foldOf(keyValue(`${PREFIX}%61`, record({ weight: 1 })));
    fold.apply([put(`${PREFIX}a`, record({ weight: 2 })), put(`${PREFIX}%61`, record({ weight: 3 }))]);
    const weights = (): number[] => fold.reading().instances.map(({ weight }) => weight);
    expect(weights()).toEqual([3, 2]);
    fold.apply([remove(`${PREFIX}%61`)]);
    expect(weights()).toEqual([2]);
  });

  test('that said they were leaving depart with a word, also where nobody saw the mark; others without', () => {
    const fold = foldOf(keyValue(`${PREFIX}a`, record()), keyValue(`${PREFIX}b`, record()));
    fold.apply([put(`${PREFIX}a`, record({ leaving: true })), remove(`${PREFIX}a`), remove(`${PREFIX}b`)]);
    expect(fold.reading().departed).toEqual(new Set(['a']));
    expect(fold.reading().departed).toEqual(new Set());
    fold.apply([put(`${PREFIX}a`, record({ leaving: true })), remove(`${PREFIX}a`), put(`${PREFIX}a`, record())]);
    expect(fold.reading().departed).toEqual(new Set());
  });

  test('that are none are told, and forgotten when they go', () => {
    const fold = foldOf(keyValue(`${PREFIX}a`, '{'), keyValue(`${PREFIX}a/b`, record()));
    expect(fold.reading()).toMatchObject({
      instances: [],
      rejected: [
        { ref: `${PREFIX}a`, reason: 'not JSON' },
        { ref: `${PREFIX}a/b`, reason: 'a key that is not spelled as records are' },
      ],
    });
    fold.apply([remove(`${PREFIX}a`), remove(`${PREFIX}a/b`)]);
    expect(fold.reading().rejected).toEqual([]);
  });

  test('of a service whose name begins with ours are not ours', () => {
    const value = '{"Op":0,"Addr":"10.0.0.1:80"}';
    const kvs = [keyValue('orders/a', value), keyValue('orders/eu/b', value)];
    const fold = new ServiceFold(KEY, grpcFormat(''), { kvs, revision: 1, clusterId: 'c1' });
    expect(fold.reading()).toMatchObject({ instances: [{ id: 'a' }], rejected: [] });
  });
});
