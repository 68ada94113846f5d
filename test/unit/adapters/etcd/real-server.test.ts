// What takes a real server and is etcd's alone: several endpoints, logins, records of others, a closed process.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createEtcdAdapter } from '../../../../adapters/etcd/etcd.ts';
import type { EtcdOptions } from '../../../../adapters/etcd/options.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { serviceKey, type ServiceInstance } from '../../../../src/registry/types.ts';
import { FaultProxy } from '../../../support/fault-proxy.ts';
import { EtcdProcess, findEtcd } from '../../../support/servers/etcd.ts';
import { freePorts } from '../../../support/servers/process.ts';
import { until } from '../../../support/until.ts';

const KEY = serviceKey('orders');
const OWN: ServiceInstance = {
  key: KEY,
  id: 'a',
  host: '10.0.0.1',
  port: 80,
  protocol: 'http',
  weight: 100,
  tags: [],
  metadata: {},
  health: 'passing',
  enabled: true,
};
const [server] = (await findEtcd()).flatMap(({ found }) => (found.from === 'variable' ? [] : [found]));

async function start(): Promise<{ readonly etcd: EtcdProcess; readonly client: Etcd3 }> {
  const etcd = await EtcdProcess.start(server!);
  const client = new Etcd3({ hosts: `http://${etcd.address}` });
  onTestFinished(async () => {
    client.close();
    await etcd.close();
  });
  return { etcd, client };
}

function open(options: EtcdOptions): Registry {
  const registry = createEtcdAdapter(options);
  onTestFinished(() => registry.close());
  return registry;
}

const soon = (): AbortSignal => AbortSignal.timeout(10_000);

describe.skipIf(server === undefined)('a real etcd', () => {
  test('is found past endpoints that refuse, and past one that does not answer', async () => {
    const { etcd } = await start();
    const [nobody = 0] = await freePorts([0]);
    const refusing = open({ endpoints: [`http://127.0.0.1:${nobody}`, `http://${etcd.address}`] });
    for (let round = 0; round < 4; round++) expect(await refusing.list({}, soon())).toEqual([]);
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: etcd.port });
    onTestFinished(() => proxy.close());
    const registry = open({ endpoints: [`http://${proxy.address}`, `http://${etcd.address}`] });
    const handle = registry.register({ instance: OWN, ttlMs: 6_000 });
    const watch = registry.watch(KEY, {});
    await until(
      'registered and seen',
      () => handle.state === 'registered' && watch.view?.snapshot.instances.length === 1,
    );
    proxy.blackHole();
    const states: string[] = [];
    handle.onState((state) => states.push(state));
    handle.update({ weight: 1 });
    await until('changed by the other endpoint', async () => {
      const { instances } = await registry.read(KEY, soon()).catch(() => ({ instances: [] }));
      return instances[0]?.weight === 1;
    });
    expect(states).not.toContain('lost');
  });

  test('that keeps no users takes a user and password, and asks for them once it does', async () => {
    const { etcd, client } = await start();
    const registry = open({ endpoints: [`http://${etcd.address}`], username: 'sidecar', password: 'p' });
    expect(await registry.list({}, soon())).toEqual([]);
    for (const name of ['root', 'sidecar']) {
      await client.auth.userAdd({ name, password: 'p' });
      await client.auth.roleAdd({ name });
      await client.auth.userGrantRole({ user: name, role: name });
    }
    await client.auth.roleGrantPermission({
      name: 'sidecar',
      perm: { permType: 'Readwrite', key: Buffer.from('/pilotfish/'), range_end: Buffer.from('/pilotfish0') },
    });
    await client.auth.authEnable();
    expect(await registry.list({}, soon())).toEqual([]);
    const stranger = open({ endpoints: [`http://${etcd.address}`] });
    await expect(stranger.list({}, soon())).rejects.toMatchObject({ kind: 'unauthenticated' });
    const wrong = open({ endpoints: [`http://${etcd.address}`], username: 'sidecar', password: 'planted-Secret' });
    const error: unknown = await wrong.list({}, soon()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: 'unauthenticated' });
    expect(String(error)).not.toContain('planted-Secret');
  });

  test('is logged in to with the password of a file, and with the next one once that is changed', async () => {
    const { etcd, client } = await start();
    const directory = await mkdtemp(join(tmpdir(), 'pilotfish-password-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const passwordFile = join(directory, 'password');
    await client.auth.userAdd({ name: 'root', password: 'first' });
    await client.auth.roleAdd({ name: 'root' });
    await client.auth.userGrantRole({ user: 'root', role: 'root' });
    await client.auth.authEnable();
    const registry = open({ endpoints: [`http://${etcd.address}`], username: 'root', passwordFile });
    const handle = registry.register({ instance: OWN, ttlMs: 60_000 });
    const watch = registry.watch(KEY, {});
    await until('the missing file is told', () => handle.state === 'denied' && watch.state === 'denied');
    expect(handle.lastError?.message).toContain(passwordFile);
    await writeFile(passwordFile, 'first\n');
    await until('registered and seen', () => handle.state === 'registered' && watch.state === 'live');
    const admin = new Etcd3({ hosts: `http://${etcd.address}`, auth: { username: 'root', password: 'first' } });
    onTestFinished(() => admin.close());
    await admin.auth.userChangePassword({ name: 'root', password: 'second' });
    handle.update({ weight: 7 });
    await until('the old one is refused', () => handle.lastError?.kind === 'unauthenticated');
    await writeFile(passwordFile, 'second\n');
    await until('the change is written', () => watch.view?.snapshot.instances[0]?.weight === 7);
    expect(handle.state).toBe('registered');
  });

  test('that was restarted has forgotten all tokens: registrations and watches go on', async () => {
    const { etcd, client } = await start();
    await client.auth.userAdd({ name: 'root', password: 'p' });
    await client.auth.roleAdd({ name: 'root' });
    await client.auth.userGrantRole({ user: 'root', role: 'root' });
    await client.auth.authEnable();
    const registry = open({ endpoints: [`http://${etcd.address}`], username: 'root', password: 'p' });
    const handle = registry.register({ instance: OWN, ttlMs: 6_000 });
    const watch = registry.watch(KEY, {});
    await until(
      'registered and seen',
      () => handle.state === 'registered' && watch.view?.snapshot.instances.length === 1,
    );
    await etcd.kill();
    await until('the loss is seen', () => watch.state === 'stale');
    await etcd.restart();
    await until('live again', () => watch.state === 'live');
    handle.update({ weight: 7 });
    await until('a change is seen', () => watch.view?.snapshot.instances[0]?.weight === 7);
    expect(handle.state).toBe('registered');
  });

  test('keeps a record that is changed all the time', async () => {
    const { etcd, client } = await start();
    const registry = open({ endpoints: [`http://${etcd.address}`] });
    const ttlMs = 2_000;
    const handle = registry.register({ instance: OWN, ttlMs });
    await handle.registered(soon());
    const [record] = (await client.getAll().exec()).kvs;
    const endMs = performance.now() + 3 * ttlMs;
    let weight = 0;
    const change = (): boolean => {
      handle.update({ weight: ++weight });
      return performance.now() > endMs;
    };
    await until('three TTLs of changes', change, { everyMs: ttlMs / 5 });
    const [after] = (await client.getAll().exec()).kvs;
    expect(after).toMatchObject({ create_revision: record?.create_revision, lease: record?.lease });
  });

  test('has services that others have registered, in their forms', async () => {
    const { etcd, client } = await start();
    await client.put('shop/orders/10.0.0.7:9000').value('{"Op":0,"Addr":"10.0.0.7:9000","Metadata":null}');
    const kratos = '{"id":"k","name":"orders","version":"v1","metadata":{},"endpoints":["http://10.0.0.8:8000"]}';
    await client.put('/microservices/orders/k').value(kratos);
    const endpoints = [`http://${etcd.address}`];
    const grpc = open({ endpoints, format: 'grpc' });
    expect((await grpc.read(serviceKey('shop/orders'), soon())).instances).toMatchObject([
      { port: 9000, protocol: 'h2c' },
    ]);
    expect((await grpc.list({}, soon())).map(({ service }) => service)).toContain('shop/orders');
    const micro = open({ endpoints, format: 'kratos' });
    const watch = micro.watch(KEY, {});
    await until('the record of kratos', () => watch.view?.snapshot.instances[0]?.port === 8000);
    const handle = micro.register({ instance: OWN, ttlMs: 6_000 });
    await handle.registered(soon());
    const value = await client.get('/microservices/orders/a').json();
    expect(value).toMatchObject({ id: 'a', endpoints: ['http://10.0.0.1:80?isSecure=false'] });
    expect(await handle.deregister({ deadlineMs: 3_000 })).toBe('removed');
    expect(await client.get('/microservices/orders/a').exists()).toBe(false);
  });

  test('is left without a lease when a registration ends, and without a connection when the registry is closed', async () => {
    const { etcd, client } = await start();
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: etcd.port });
    onTestFinished(() => proxy.close());
    const registry = createEtcdAdapter({ endpoints: [`http://${proxy.address}`] });
    registry.watch(KEY, {});
    const handle = registry.register({ instance: OWN, ttlMs: 60_000 });
    await handle.registered(soon());
    expect(proxy.accepted).toBe(1);
    expect(await handle.deregister({ deadlineMs: 3_000, settleMs: 0 })).toBe('removed');
    expect((await client.leaseClient.leaseLeases()).leases).toEqual([]);
    await registry.close();
    await until('no connection is open', () => proxy.open === 0);
  });
});
