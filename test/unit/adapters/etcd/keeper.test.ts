// What renews the lease of our own record: a cluster made of functions, whose one lease ends by the test's clock.
import { beforeEach, expect, test } from 'vitest';
import { pilotfishFormat } from '../../../../adapters/etcd/format-pilotfish.ts';
import { EtcdKeeper } from '../../../../adapters/etcd/keeper.ts';
import { LeaseStream } from '../../../../adapters/etcd/lease-stream.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { instance } from '../../registry/fake-driver.ts';
import { FakeCluster, FakeStream, header } from './fake-cluster.ts';

const TTL_MS = 10_000;
const soon = (): AbortSignal => AbortSignal.timeout(5_000);
let clock: FakeClock;
let endsAtMs: number;
let keeper: EtcdKeeper;

class Signs extends FakeStream {
  override write(request: Record<string, never>): void {
    super.write(request);
    const isAlive = clock.now() < endsAtMs;
    if (isAlive) endsAtMs = clock.now() + TTL_MS;
    setImmediate(() => this.emit('data', { ID: request['ID'], TTL: isAlive ? '10' : '0' }));
  }
}

beforeEach(async () => {
  clock = new FakeClock();
  const cluster = new FakeCluster({
    kv: {
      range: () => Promise.resolve({ header: header(1), kvs: [] }),
      txn: () => Promise.resolve({ header: header(2), succeeded: true, responses: [] }),
    },
    leaseClient: {
      leaseGrant: () => {
        endsAtMs = clock.now() + TTL_MS;
        return Promise.resolve({ ID: '7' });
      },
    },
  });
  cluster.stream = () => Promise.resolve({ stream: new Signs(), isCurrent: () => true, failed: (e: Error) => e });
  const leases = new LeaseStream(cluster.asCluster);
  keeper = new EtcdKeeper(instance('a'), TTL_MS, {
    cluster: cluster.asCluster,
    leases,
    format: pilotfishFormat('/pilotfish'),
  });
  await keeper.put(instance('a'), await keeper.holder(soon()), soon());
});

test('a record that is written all the time lives on: each write renews its lease', async () => {
  for (let weight = 1; weight <= 15; weight++) {
    await clock.advance(TTL_MS / 5);
    expect([weight, await keeper.update(instance('a', { weight }), soon())]).toEqual([weight, 'kept']);
  }
  expect(endsAtMs).toBe(clock.now() + TTL_MS);
});

test('a write is worth nothing where the lease has ended meanwhile', async () => {
  await clock.advance(TTL_MS);
  expect(await keeper.update(instance('a', { weight: 1 }), soon())).toBe('lost');
});
