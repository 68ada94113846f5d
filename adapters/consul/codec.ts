// A record ↔ what Consul holds of it: the body of a registration, and an entry of /v1/health/service, ours or anybody's.
import { instanceFrom } from '../../src/registry/record.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import { decodeMeta, encodeMeta } from './meta.ts';
import { checkId, consulId, consulName } from './names.ts';

/** A status as Consul's checks have it. */
export type CheckStatus = 'passing' | 'warning' | 'critical';

/** An entry, read: the instance with the id it has on its node, or why it was rejected. */
export type DecodedEntry = { readonly node: string; readonly id: string } & (
  { readonly instance: ServiceInstance } | { readonly reason: string }
);

/** Consul lets services go that were critical for this long, at the least. */
const MIN_DEREGISTER_MS = 60_000;
/** TTLs that a dead copy stays listed (as critical), so that one that only paused finds its record again. */
const DEREGISTER_TTLS = 6;
const MAX_WEIGHT = 1_000;

/** The status that stands for a health. Consul knows no `unknown`: that goes into the metadata. */
export function statusOf(health: ServiceInstance['health']): CheckStatus {
  return health === 'unknown' ? 'passing' : health;
}

/** Body of `PUT /v1/agent/service/register`. */
export function encodeRegistration(instance: ServiceInstance, ttlMs: number): Record<string, unknown> {
  const serviceId = consulId(instance.key, instance.id);
  const passing = Math.min(MAX_WEIGHT, Math.max(1, Math.round(instance.weight)));
  return {
    ID: serviceId,
    Name: consulName(instance.key),
    Address: instance.host,
    Port: instance.port,
    Tags: instance.tags,
    Meta: encodeMeta(instance.metadata, ownFields(instance, passing)),
    // One weight for both states: what a warning means to traffic is the caller's policy, not the record's.
    Weights: { Passing: passing, Warning: passing },
    EnableTagOverride: false,
    Check: {
      CheckID: checkId(serviceId, instance.owner),
      Name: 'sign of life of its sidecar',
      TTL: `${ttlMs}ms`,
      Status: statusOf(instance.health), // Else it would begin, and begin again at every update, as critical.
      DeregisterCriticalServiceAfter: `${Math.max(MIN_DEREGISTER_MS, ttlMs * DEREGISTER_TTLS)}ms`,
    },
  };
}

function ownFields(instance: ServiceInstance, passing: number): Record<string, string> {
  return {
    id: instance.id,
    protocol: instance.protocol,
    ...(instance.owner === undefined ? {} : { owner: instance.owner }),
    ...(instance.zone === undefined ? {} : { zone: instance.zone }),
    ...(instance.weight === passing ? {} : { weight: String(instance.weight) }),
    ...(instance.health === 'unknown' ? { health: 'unknown' } : {}),
    ...(instance.enabled ? {} : { enabled: 'false' }),
    ...(instance.leaving === true ? { leaving: 'true' } : {}),
  };
}

/** Reads one entry of a health list. Never throws. */
export function decodeEntry(key: ServiceKey, entry: unknown): DecodedEntry {
  const { Node, Service, Checks } = fields(entry);
  const service = fields(Service);
  const node = fields(Node);
  const nodeName = text(node['Node']) ?? '?';
  const serviceId = text(service['ID']) ?? text(service['Service']) ?? '?';
  const meta = decodeMeta(textMap(service['Meta']));
  if (meta === undefined) return { node: nodeName, id: serviceId, reason: 'pieces of its metadata are missing' };
  const { own } = meta;
  const status = aggregate(Checks);
  const isOurs = own['id'] !== undefined;
  const id = own['id'] ?? serviceId;
  const tags = Array.isArray(service['Tags']) ? (service['Tags'] as unknown[]) : [];
  const host = text(service['Address']) ?? text(node['Address']);
  const loose = isOurs ? ourFields(own, service) : foreignFields(meta.metadata, tags, service);
  const decoded = instanceFrom(key, id, {
    ...loose,
    host,
    port: service['Port'],
    tags,
    health: status.status === 'passing' && own['health'] === 'unknown' ? 'unknown' : status.status,
    enabled: own['enabled'] !== 'false' && !status.isMaintained,
    metadata: isOurs ? meta.metadata : { ...tagMetadata(tags), ...meta.metadata },
  });
  const where = { node: nodeName, id };
  return 'instance' in decoded ? { ...where, instance: decoded.instance } : { ...where, reason: decoded.reason };
}

function ourFields(own: Readonly<Record<string, string>>, service: Readonly<Record<string, unknown>>): object {
  return {
    protocol: own['protocol'],
    weight: own['weight'] === undefined ? fields(service['Weights'])['Passing'] : Number(own['weight']),
    zone: own['zone'],
    owner: own['owner'],
    leaving: own['leaving'] === 'true',
  };
}

/** What Spring Cloud, consul-template's users, curl and others write; what is missing gets defaults. */
function foreignFields(
  metadata: Readonly<Record<string, string>>,
  tags: readonly unknown[],
  service: Readonly<Record<string, unknown>>,
): object {
  const all = { ...tagMetadata(tags), ...metadata };
  const said = all['protocol'] ?? all['scheme'];
  const isKnown = said === 'http' || said === 'https' || said === 'h2c' || said === 'tcp';
  const zone = text(fields(service['Locality'])['Zone']) ?? text(all['zone']);
  return {
    protocol: isKnown ? said : all['secure'] === 'true' ? 'https' : 'http',
    weight: foreignWeight(service['Weights']),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** Consul gives everybody 1 and 1 who says nothing: that is an ordinary weight. */
function foreignWeight(weights: unknown): number {
  const { Passing, Warning } = fields(weights);
  if (typeof Passing !== 'number' || (Passing === 1 && (Warning === 1 || Warning === undefined))) return 100;
  return Math.min(MAX_WEIGHT, Passing);
}

/** Tags `k=v` are metadata too. */
function tagMetadata(tags: readonly unknown[]): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const tag of tags) {
    const at = typeof tag === 'string' ? tag.indexOf('=') : -1;
    if (typeof tag === 'string' && at > 0) pairs.push([tag.slice(0, at), tag.slice(at + 1)]);
  }
  return Object.fromEntries(pairs);
}

/** The worst of all checks of the node and the service; maintenance is not illness: it takes no new traffic. */
function aggregate(checks: unknown): { readonly status: CheckStatus; readonly isMaintained: boolean } {
  let status: CheckStatus = 'passing';
  let isMaintained = false;
  for (const check of Array.isArray(checks) ? (checks as unknown[]) : []) {
    const { CheckID, Status } = fields(check);
    const isMaintenance = typeof CheckID === 'string' && /^_(node|service)_maintenance(:|$)/.test(CheckID);
    if (isMaintenance) isMaintained ||= Status === 'critical';
    else if (Status === 'critical') status = 'critical';
    else if (Status === 'warning' && status === 'passing') status = 'warning';
  }
  return { status, isMaintained };
}

/** Its fields, or none where the value is no object. */
export function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** The text, undefined where it is empty or none. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function textMap(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields(value)).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}
