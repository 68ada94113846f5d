// The registries that are filled and changed: real servers of our own, written to past all sidecars.
import { Etcd3 } from 'etcd3';
import { Pool } from 'undici';
import { pilotfishFormat } from '../../adapters/etcd/format-pilotfish.ts';
import { Endpoints } from '../../adapters/nacos/endpoints.ts';
import { Names } from '../../adapters/nacos/names.ts';
import { Namespace } from '../../adapters/nacos/namespace.ts';
import { nacosSettings } from '../../adapters/nacos/options.ts';
import { toNacosInstance } from '../../adapters/nacos/record.ts';
import { encodeRecord } from '../../src/registry/record.ts';
import { serviceKey, type ServiceInstance } from '../../src/registry/types.ts';
import { systemClock } from '../../src/util/clock.ts';
import { ConsulProcess, findConsul } from '../support/servers/consul.ts';
import { EtcdProcess, findEtcd } from '../support/servers/etcd.ts';
import { owned } from '../support/servers/index.ts';
import { findNacos, NacosProcess } from '../support/servers/nacos.ts';
import { nowUs, STAMP, type Made } from './figures.ts';

/** One running server. */
export interface ScaleRegistry {
  /** Like `etcd 3.7.3`. */
  readonly title: string;
  /** `PILOTFISH_REGISTRY`. */
  readonly url: string;
  /** Changes a second that are asked of it. */
  readonly changesPerSecond: number;
  /** Bars, in ms: one change, and so many a second. */
  readonly bars: { readonly single: number; readonly many: number };
  plant(instances: readonly ServiceInstance[]): Promise<void>;
  /** Writes the record anew, with the time; resolves when the server has it. */
  change(instance: ServiceInstance): Promise<Made>;
  /** Requests so far, but for those that change records; undefined: counted by who sends them. */
  requests(): Promise<number | undefined>;
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** @param isOfMany its clients stand for so many hosts, each with an address of its own. */
export type OpenRegistry = (isOfMany: boolean) => Promise<ScaleRegistry>;

export const OPENERS: Readonly<Record<string, OpenRegistry>> = {
  etcd: openEtcd,
  consul: openConsul,
  nacos: openNacos,
};

/** Instances of service `s<at>`; nobody listens at their addresses. */
export function instancesOf(service: number, count: number): ServiceInstance[] {
  return Array.from({ length: count }, (_, at) => ({
    key: serviceKey(`s${service}`),
    id: `s${service}-${at}`,
    host: `10.${100 + (service >> 8)}.${service & 255}.${(at % 250) + 1}`,
    port: 8_000 + Math.floor(at / 250),
    protocol: 'http',
    weight: 100,
    zone: `z${at % 3}`,
    tags: ['v1'],
    metadata: { version: '1.0.0' },
    health: 'passing',
    enabled: true,
  }));
}

async function changed(instance: ServiceInstance, write: (instance: ServiceInstance) => Promise<void>): Promise<Made> {
  const at = String(nowUs());
  await write({ ...instance, metadata: { ...instance.metadata, [STAMP]: at } });
  return { id: instance.id, at, acknowledgedUs: nowUs() };
}

async function openEtcd(): Promise<ScaleRegistry> {
  const found = owned(await findEtcd()).at(-1);
  if (found === undefined) throw new Error('no etcd: npm run servers');
  const server = await EtcdProcess.start(found.found);
  const client = new Etcd3({ hosts: `http://${server.address}` });
  const format = pilotfishFormat('/pilotfish');
  const put = async (instance: ServiceInstance): Promise<void> => {
    await client.put(format.recordKey(instance)).value(encodeRecord(instance));
  };
  return {
    title: `etcd ${found.version}`,
    url: `etcd://${server.address}`,
    changesPerSecond: 1_000,
    bars: { single: 20, many: 100 },
    plant: (instances) => inParallel(instances, 64, put),
    change: (instance) => changed(instance, put),
    requests: async () => {
      const text = await (await fetch(`http://${server.address}/metrics`)).text();
      const counts = text.matchAll(/^grpc_server_msg_received_total\{.*grpc_method="(\w+)".*\} (\S+)$/gm);
      return [...counts].reduce((sum, [, method, count]) => sum + (method === 'Put' ? 0 : Number(count)), 0);
    },
    kill: () => server.kill(),
    restart: () => server.restart(),
    close: async () => {
      client.close();
      await server.close();
    },
  };
}

/** Consul's default lets one address have 200 connections; those of many hosts have one each, and come from one here. */
const OF_MANY = 'limits { http_max_conns_per_client = 4096 }';

/** Each address is a node, which no agent looks after, as services of other hosts are; the agent has its default limits. */
async function openConsul(isOfMany: boolean): Promise<ScaleRegistry> {
  const found = owned(await findConsul()).at(-1);
  if (found === undefined) throw new Error('no Consul: npm run servers');
  const server = await ConsulProcess.start(found, isOfMany ? { hcl: OF_MANY } : {});
  const pool = new Pool(`http://${server.address}`, { connections: 16 });
  const register = async (instance: ServiceInstance): Promise<void> => {
    const { statusCode, body } = await pool.request({
      method: 'PUT',
      path: '/v1/catalog/register',
      body: JSON.stringify({
        Node: instance.host,
        Address: instance.host,
        Service: {
          ID: instance.id,
          Service: instance.key.service,
          Address: instance.host,
          Port: instance.port,
          Tags: instance.tags,
          Meta: instance.metadata,
        },
        Check: { CheckID: `c-${instance.id}`, Name: 'c', ServiceID: instance.id, Status: 'passing' },
      }),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`consul: ${statusCode} ${text}`);
  };
  return {
    title: `Consul ${found.version}`,
    url: `consul://${server.address}`,
    changesPerSecond: 100,
    bars: { single: 1_000, many: 1_000 },
    plant: (instances) => inParallel(instances, 16, register),
    change: (instance) => changed(instance, register),
    requests: () => Promise.resolve(undefined),
    kill: () => server.kill(),
    restart: () => server.restart(),
    close: async () => {
      await pool.destroy();
      await server.close();
    },
  };
}

const FOR_EVER_MS = 86_400_000;
const WRITE_TIMEOUT_MS = 20_000;

/**
 * A connection holds one entry for each service, which is written whole: so there are 250, by the last part of the address, and
 * no entry has more than 20 instances.
 */
async function openNacos(): Promise<ScaleRegistry> {
  const found = owned(await findNacos()).at(-1);
  if (found === undefined) throw new Error('no Nacos: npm run servers');
  const server = await NacosProcess.start(found.found);
  const settings = nacosSettings({ endpoints: [server.address] }, {});
  const names = new Names(settings.namespace, settings.group);
  const writers = new Map<string, Namespace>();
  const writerOf = ({ host }: ServiceInstance): Namespace => {
    const part = host.slice(host.lastIndexOf('.'));
    const known = writers.get(part);
    if (known !== undefined) return known;
    const endpoints = new Endpoints(settings.endpoints, systemClock);
    const { namespaceId } = names;
    const options = { settings, namespaceId, clock: systemClock, ttlMs: 1_000, login: undefined, endpoints };
    const writer = new Namespace(options);
    writers.set(part, writer);
    return writer;
  };
  const put = (instance: ServiceInstance): Promise<void> => {
    const record = toNacosInstance(instance, settings.maxMetadataBytes);
    const publication = writerOf(instance).publication(names.toNacos(instance.key));
    return publication.set(instance.id, record, FOR_EVER_MS, AbortSignal.timeout(WRITE_TIMEOUT_MS));
  };
  return {
    title: `Nacos ${found.version}`,
    url: `nacos://${server.address}`,
    changesPerSecond: 100,
    bars: { single: 1_000, many: 1_000 },
    plant: (instances) => inParallel(instances, 64, put),
    change: (instance) => changed(instance, put),
    requests: () => Promise.resolve(undefined),
    kill: () => server.kill(),
    restart: () => server.restart(),
    close: async () => {
      for (const writer of writers.values()) writer.close();
      await server.close();
    },
  };
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
