// Nacos' instance ↔ ours. What Nacos has no field for stands as JSON in one metadata key; records of others get defaults.
import { instanceFrom, MAX_RECORD_BYTES, type Decoded } from '../../src/registry/record.ts';
import { RegistryError, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import type { Reading } from '../../src/registry/driver.ts';
import type { Fields } from './answer.ts';

/** An instance as Nacos' APIs take it. */
export interface NacosInstance {
  readonly ip: string;
  readonly port: number;
  /** 1 is ordinary. */
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly clusterName: string;
  readonly serviceName: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Metadata key of what only Pilotfish knows: id, owner, protocol, zone, tags, health, whether it is leaving. */
export const OWN_KEY = 'pilotfish';
/** Metadata key under which Nacos' cluster is seen, and by which it is chosen. */
export const CLUSTER_KEY = 'nacos.cluster';
/** Metadata keys by which an instance sets its server's patience, in ms. */
export const BEAT_INTERVAL_KEY = 'preserved.heart.beat.interval';
export const BEAT_TIMEOUT_KEY = 'preserved.heart.beat.timeout';
export const DELETE_TIMEOUT_KEY = 'preserved.ip.delete.timeout';
const PATIENCE_KEYS: ReadonlySet<string> = new Set([BEAT_INTERVAL_KEY, BEAT_TIMEOUT_KEY, DELETE_TIMEOUT_KEY]);
export const DEFAULT_CLUSTER = 'DEFAULT';
const CLUSTER = /^[0-9a-zA-Z_-]{1,64}$/;

/** Half of the 1,024 characters that servers take since 2.3, unless told otherwise (`nacos.core.param.check.enabled`). */
export const DEFAULT_METADATA_BYTES = 512;

/** Weight 1.0 is 100. */
const WEIGHT_FACTOR = 100;
const MAX_WEIGHT = 1_000;

/**
 * @param maxMetadataBytes of our own; the same again, but 512 at least, is for what stands in `OWN_KEY`.
 * Throws RegistryError `invalid` for a cluster that Nacos cannot spell, a metadata key that is taken, and too much of all.
 */
export function toNacosInstance(instance: ServiceInstance, maxMetadataBytes: number): NacosInstance {
  const { [CLUSTER_KEY]: cluster = DEFAULT_CLUSTER, ...metadata } = instance.metadata;
  if (!CLUSTER.test(cluster)) throw new RegistryError('invalid', `nacos: ${CLUSTER_KEY} has letters, digits, _ and -`);
  if (OWN_KEY in metadata) throw new RegistryError('invalid', `nacos: metadata key ${OWN_KEY} is taken`);
  const own = {
    v: 1,
    id: instance.id,
    protocol: instance.protocol,
    health: instance.health,
    ...(instance.zone === undefined ? {} : { zone: instance.zone }),
    ...(instance.tags.length === 0 ? {} : { tags: instance.tags }),
    // A disabled instance would not be listed at all: for others it is one that gets no traffic.
    ...(instance.enabled ? {} : { enabled: false, weight: instance.weight }),
    ...(instance.owner === undefined ? {} : { owner: instance.owner }),
    ...(instance.leaving === true ? { leaving: true } : {}),
    ...(CLUSTER_KEY in instance.metadata ? { cluster: true } : {}),
  };
  const ownText = JSON.stringify(own);
  if (ownText.length + OWN_KEY.length > Math.max(DEFAULT_METADATA_BYTES, maxMetadataBytes)) {
    throw new RegistryError('invalid', 'nacos: id, zone and tags are longer than the server takes');
  }
  return {
    ip: instance.host,
    port: instance.port,
    weight: instance.enabled ? instance.weight / WEIGHT_FACTOR : 0,
    healthy: instance.health !== 'critical' && instance.enabled,
    enabled: true,
    ephemeral: true,
    clusterName: cluster,
    serviceName: instance.key.service,
    metadata: { ...metadata, [OWN_KEY]: ownText },
  };
}

/** A whole list (`serviceInfo`, or the `data` of the HTTP APIs), every record looked at by itself. Never throws. */
export function readingFrom(key: ServiceKey, info: Fields, epoch: string): Reading {
  const hosts = Array.isArray(info['hosts']) ? (info['hosts'] as unknown[]) : [];
  const isProtecting = info['reachProtectionThreshold'] === true;
  const instances: ServiceInstance[] = [];
  const rejected: { ref: string; reason: string }[] = [];
  for (const [index, host] of hosts.entries()) {
    const decoded = fromNacos(key, host, isProtecting);
    if ('instance' in decoded) instances.push(decoded.instance);
    else rejected.push({ ref: refOf(host, index), reason: decoded.reason });
  }
  instances.sort(byIdThenOwner); // Where two claim one id, everybody keeps the same one.
  return { instances, rejected, revision: revisionOf(info), epoch };
}

/** The server's time of the list, in ms; 0 where it says none. */
export function refTimeOf(info: Fields): number {
  return typeof info['lastRefTime'] === 'number' ? info['lastRefTime'] : 0;
}

function fromNacos(key: ServiceKey, host: unknown, isProtecting: boolean): Decoded {
  if (typeof host !== 'object' || host === null) return { reason: 'not an object' };
  const fields = host as Fields;
  const { ip, port } = fields;
  const cluster = typeof fields['clusterName'] === 'string' ? fields['clusterName'] : DEFAULT_CLUSTER;
  const raw = fields['metadata'] ?? {};
  if (typeof raw !== 'object' || Array.isArray(raw)) return { reason: 'metadata is not a map of texts' };
  const { [OWN_KEY]: ownText, ...metadata } = raw as Fields;
  const own = ownText === undefined ? {} : parseOwn(ownText);
  if (own === undefined) return { reason: `metadata key ${OWN_KEY} is not ours` };
  const weight = own['enabled'] === false ? own['weight'] : weightFrom(fields['weight']);
  const named = own['cluster'] === true || (own['v'] === undefined && cluster !== DEFAULT_CLUSTER);
  const id = own['id'] ?? `${String(ip)}:${String(port)}${cluster === DEFAULT_CLUSTER ? '' : `:${cluster}`}`;
  if (typeof id !== 'string') return { reason: 'id is not a text' };
  return instanceFrom(key, id, {
    host: ip,
    port,
    weight,
    enabled: own['enabled'] ?? fields['enabled'] ?? true,
    health: healthOf(own, fields, isProtecting),
    protocol: own['v'] === undefined ? protocolOf(metadata) : own['protocol'],
    zone: own['v'] === undefined ? zoneOf(metadata) : own['zone'],
    tags: own['tags'],
    owner: own['owner'],
    leaving: own['leaving'],
    metadata: own['v'] === undefined && !named ? metadata : ownMetadata(metadata, named ? cluster : undefined),
  });
}

/** With the protection threshold reached, the server calls the dead healthy: then our own checks have to tell. */
function healthOf(own: Fields, fields: Fields, isProtecting: boolean): unknown {
  if (own['enabled'] === false) return own['health'];
  if (fields['healthy'] === false) return 'critical';
  if (own['health'] !== undefined) return own['health'];
  return isProtecting ? 'unknown' : 'passing';
}

function weightFrom(weight: unknown): unknown {
  if (typeof weight !== 'number' || !(weight >= 0)) return weight === undefined ? undefined : -1;
  return Math.min(MAX_WEIGHT, Number((weight * WEIGHT_FACTOR).toFixed(6)));
}

/** Spring Cloud says `secure`; others say it outright. */
function protocolOf(metadata: Fields): string {
  if (metadata['secure'] === 'true') return 'https';
  const said = metadata['protocol'];
  if (said === 'https' || said === 'h2c' || said === 'tcp') return said;
  return said === 'grpc' ? 'h2c' : said === 'dubbo' ? 'tcp' : 'http';
}

function zoneOf(metadata: Fields): string | undefined {
  return typeof metadata['zone'] === 'string' && metadata['zone'] !== '' ? metadata['zone'] : undefined;
}

/** Without what the `http` driver says of its beats. */
function ownMetadata(metadata: Fields, cluster: string | undefined): Fields {
  const rest = Object.fromEntries(Object.entries(metadata).filter(([name]) => !PATIENCE_KEYS.has(name)));
  return cluster === undefined ? rest : { ...rest, [CLUSTER_KEY]: cluster };
}

function parseOwn(text: unknown): Fields | undefined {
  if (typeof text !== 'string' || text.length > MAX_RECORD_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || (value as Fields)['v'] !== 1) return undefined;
    return value as Fields;
  } catch {
    return undefined;
  }
}

function refOf(host: unknown, index: number): string {
  const { ip, port } = (typeof host === 'object' && host !== null ? host : {}) as Fields;
  return `${index}: ${String(ip).slice(0, 64)}:${String(port).slice(0, 16)}`;
}

function revisionOf(info: Fields): string {
  const checksum = typeof info['checksum'] === 'string' ? info['checksum'].slice(0, 64) : '';
  return `${refTimeOf(info)}-${checksum}`;
}

function byIdThenOwner(a: ServiceInstance, b: ServiceInstance): number {
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return (a.owner ?? '') < (b.owner ?? '') ? -1 : 1;
}
