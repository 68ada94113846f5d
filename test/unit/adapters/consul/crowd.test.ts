// One of so many services that a round of looks takes long: a minute of it, with an agent that is made up.
import { expect, test } from 'vitest';
import { CatalogChanges } from '../../../../adapters/consul/catalog-changes.ts';
import type { Connection, ConsulAnswer, ConsulRequest } from '../../../../adapters/consul/connection.ts';
import { followService } from '../../../../adapters/consul/follow.ts';
import { IndexLooks } from '../../../../adapters/consul/index-looks.ts';
import { ListIds } from '../../../../adapters/consul/names.ts';
import { serviceKey } from '../../../../src/registry/types.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** That of the driver: who says nothing for so long is given up. */
const SILENCE_MS = 12_000;

test.each([300, 1_000, 24_000, 100_000])('with %i services none is silent for long', async (services) => {
  const clock = new FakeClock();
  let index = 1;
  const request = async ({ method }: ConsulRequest): Promise<ConsulAnswer> => {
    await new Promise<void>((resolve) => clock.setTimer(10, resolve));
    if (method === 'POST') return { status: 401, headers: {}, text: 'ACL support disabled' };
    return { status: 200, headers: { 'x-consul-index': String(++index) }, text: '[]' }; // It changes without end.
  };
  const connection = { request } as unknown as Connection;
  let heardAtMs = clock.now();
  let longestMs = 0;
  let heard = 0;
  const alive = (): void => {
    heard++;
    longestMs = Math.max(longestMs, clock.now() - heardAtMs);
    heardAtMs = clock.now();
  };
  const closing = new AbortController();
  const key = serviceKey('orders');
  const following = followService(key, { alive, reading: alive }, closing.signal, {
    connection,
    clock,
    ids: new ListIds(),
    changes: new CatalogChanges(connection, clock, {}),
    looks: new IndexLooks(connection, clock),
    listedAtMs: new WeakMap(),
    followed: () => services,
    epoch: () => Promise.resolve('dc1/n1'),
  }).catch((error: unknown) => error);
  for (let ms = 0; ms < 60_000; ms += 50) {
    await clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(heard).toBeGreaterThan(0);
  expect(longestMs).toBeLessThan((SILENCE_MS * 4) / 5);
  closing.abort(new Error('enough'));
  await clock.advance(1_000);
  await following;
});
