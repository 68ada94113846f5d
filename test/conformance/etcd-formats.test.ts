// Living beside others in one etcd: what etcd's own naming client, go-kratos and curl write is found, and they find ours.
import { describe, expect, onTestFinished, test } from 'vitest';
import { createEtcdAdapter } from '../../adapters/etcd/etcd.ts';
import type { EtcdFormat } from '../../adapters/etcd/options.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { serviceKey } from '../../src/registry/types.ts';
import { EtcdProcess, findEtcd } from '../support/servers/etcd.ts';
import { forShortForm, owned, type OwnedServer } from '../support/servers/index.ts';
import { findNamingClients, listByNamingClient, startNamingClient } from '../support/servers/naming-clients.ts';
import { SCALE, until } from './harness.ts';
import { instance, observe, register } from './support.ts';

const servers = owned(await findEtcd());
const program = findNamingClients();

async function start(found: OwnedServer): Promise<EtcdProcess> {
  const etcd = await EtcdProcess.start(found);
  onTestFinished(() => etcd.close());
  return etcd;
}

function open(etcd: EtcdProcess, format: EtcdFormat): Registry {
  const endpoints = [`http://${etcd.address}`];
  // Most of so few leave within seconds, which the guard would have confirmed by probes; nobody probes here.
  const guard = { shrinkRatio: 1 };
  const registry = createEtcdAdapter({ endpoints, format }, { allowLoopback: true, guard });
  onTestFinished(() => registry.close());
  return registry;
}

/** As curl does it, through etcd's JSON gateway. */
async function put(etcd: EtcdProcess, key: string, value: string): Promise<void> {
  const [text, bytes] = [key, value].map((words) => Buffer.from(words).toString('base64'));
  const body = JSON.stringify({ key: text, value: bytes });
  const answer = await fetch(`http://${etcd.address}/v3/kv/put`, { method: 'POST', body });
  expect(answer.status).toBe(200);
}

for (const { found, version } of SCALE.isFull ? servers : forShortForm(servers)) {
  describe(`etcd ${version}`, { timeout: 60_000 }, () => {
    test.skipIf(program === undefined)(
      'etcd’s own naming client: both find each other, also when one dies',
      async () => {
        const etcd = await start(found);
        const registry = open(etcd, 'grpc');
        const seen = observe(registry);
        const one = await startNamingClient(program ?? '', etcd.address, 'grpc', 'orders', '10.0.0.7:9000');
        const two = await startNamingClient(program ?? '', etcd.address, 'grpc', 'orders', '[2001:db8::1]:9000');
        await until('both are found', 2_000, () => seen.ids() === '10.0.0.7:9000,[2001:db8::1]:9000');
        expect(seen.find('10.0.0.7:9000')).toMatchObject({
          ...{ host: '10.0.0.7', port: 9000, protocol: 'h2c', weight: 100, health: 'passing' },
          metadata: { by: 'etcd' },
        });
        expect(seen.find('[2001:db8::1]:9000')).toMatchObject({ host: '2001:db8::1', port: 9000 });
        const { handle } = await register(registry, instance('own', { protocol: 'h2c', metadata: { version: '2' } }));
        const list = await listByNamingClient(program ?? '', etcd.address, 'grpc', 'orders');
        expect(list).toMatchObject({
          'orders/10.0.0.7:9000': { Addr: '10.0.0.7:9000' },
          'orders/[2001:db8::1]:9000': { Addr: '[2001:db8::1]:9000' },
          'orders/10.0.0.1:8080': { Addr: '10.0.0.1:8080', Metadata: { version: '2' } },
        });
        expect((await registry.list({}, AbortSignal.timeout(5_000))).map(({ service }) => service)).toEqual(['orders']);
        await one.leave();
        await until('it has left', 2_000, () => seen.find('10.0.0.7:9000') === undefined);
        await two.kill();
        await until('its lease has ended', 10_000, () => seen.ids() === 'own');
        expect(await handle.deregister({ deadlineMs: 5_000 })).toBe('removed');
        expect(await listByNamingClient(program ?? '', etcd.address, 'grpc', 'orders')).toEqual({});
      },
    );

    test.skipIf(program === undefined)('go-kratos: both find each other, also when one dies', async () => {
      const etcd = await start(found);
      const registry = open(etcd, 'kratos');
      const seen = observe(registry);
      const urls = ['grpc://10.0.0.7:9000?isSecure=false', 'http://10.0.0.7:8000?isSecure=false'];
      const both = await startNamingClient(program ?? '', etcd.address, 'kratos', 'orders', 'both', ...urls);
      const grpc = await startNamingClient(
        program ?? '',
        etcd.address,
        'kratos',
        'orders',
        'grpc',
        'grpc://10.0.0.8:9000',
      );
      await until('both are found', 2_000, () => seen.ids() === 'both,grpc');
      expect(seen.find('both')).toMatchObject({
        ...{ host: '10.0.0.7', port: 8000, protocol: 'http' },
        metadata: { version: 'v1', by: 'kratos' },
      });
      expect(seen.find('grpc')).toMatchObject({ host: '10.0.0.8', port: 9000, protocol: 'h2c' });
      await register(registry, instance('own', { metadata: { version: '2' } }));
      const list = await listByNamingClient(program ?? '', etcd.address, 'kratos', 'orders');
      expect(list).toContainEqual(
        expect.objectContaining({
          ...{ id: 'own', name: 'orders', version: '2' },
          endpoints: ['http://10.0.0.1:8080?isSecure=false'],
        }),
      );
      expect(list).toHaveLength(3);
      await both.leave();
      await until('it has left', 2_000, () => seen.ids() === 'grpc,own');
      await grpc.kill();
      await until('its lease has ended', 10_000, () => seen.ids() === 'own');
    });

    test('what curl puts is found in each form, and what is no record is named', async () => {
      const etcd = await start(found);
      const ours = observe(open(etcd, 'pilotfish'));
      await put(etcd, '/pilotfish/default/default/orders/by-hand', '{"v":1,"host":"10.0.0.9","port":80}');
      await until('ours', 2_000, () => ours.ids() === 'by-hand');
      expect(ours.find('by-hand')).toMatchObject({ protocol: 'http', weight: 100, tags: [], enabled: true });
      await put(etcd, '/pilotfish/default/default/orders/odd', 'not JSON');
      await until('what is none', 2_000, () => ours.watch.view?.snapshot.rejected[0]?.reason === 'not JSON');
      const micro = observe(open(etcd, 'kratos'));
      const record = { id: 'k', name: 'orders', version: '', metadata: null, endpoints: ['http://10.0.0.9:80'] };
      await put(etcd, '/microservices/orders/k', JSON.stringify(record));
      await until('as kratos would', 2_000, () => micro.find('k')?.port === 80);
      const naming = observe(open(etcd, 'grpc'), serviceKey('shop/orders'));
      await put(etcd, 'shop/orders/10.0.0.9:80', '{"Addr":"10.0.0.9:80"}');
      await until('as etcd’s own client would', 2_000, () => naming.find('10.0.0.9:80')?.port === 80);
      expect(ours.ids()).toBe('by-hand');
    });
  });
}
