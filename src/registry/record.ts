// The one JSON form of a record, `{v:1,…}`, used by `file` and etcd: written for our own, read with distrust from others.
import { hostClass } from '../util/host-class.ts';
import { MAX_METADATA_BYTES, MAX_METADATA_ENTRIES, metadataBytes } from '../util/metadata.ts';
import { RegistryError, type ServiceInstance, type ServiceKey } from './types.ts';

/** A record that was read: the instance, or why it was rejected. */
export type Decoded =
  | { readonly instance: ServiceInstance; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly reason: string };

/** Bytes of one whole record. */
export const MAX_RECORD_BYTES = 65_536;
const MAX_TAGS = 128;
const MAX_TEXT_BYTES = 255; // One name, tag, zone, owner or metadata key.

const PROTOCOLS: readonly string[] = ['http', 'https', 'h2c', 'tcp'] satisfies ServiceInstance['protocol'][];
const HEALTHS: readonly string[] = ['passing', 'warning', 'critical', 'unknown'] satisfies ServiceInstance['health'][];
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** One record as text. `extra` are fields of the adapter's own, which readers of other adapters ignore. */
export function encodeRecord(instance: ServiceInstance, extra: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    v: 1,
    host: instance.host,
    port: instance.port,
    protocol: instance.protocol,
    weight: instance.weight,
    ...(instance.zone === undefined ? {} : { zone: instance.zone }),
    tags: instance.tags,
    metadata: instance.metadata,
    health: instance.health,
    enabled: instance.enabled,
    ...(instance.owner === undefined ? {} : { owner: instance.owner }),
    ...(instance.leaving === true ? { leaving: true } : {}),
    ...extra,
  });
}

/** Reads a record's text. Never throws; fields that are missing get defaults, wrong ones reject the record. */
export function decodeRecord(key: ServiceKey, id: string, text: string): Decoded {
  if (text.length > MAX_RECORD_BYTES) return { reason: `longer than ${MAX_RECORD_BYTES} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { reason: 'not JSON' };
  }
  if (!isPlainObject(value)) return { reason: 'not a JSON object' };
  if (value['v'] !== 1) return { reason: 'not version 1' };
  return instanceFrom(key, id, value);
}

/** Builds an instance of loose fields (of a record, of a configuration) with defaults for what is missing. Never throws. */
export function instanceFrom(key: ServiceKey, id: string, fields: Readonly<Record<string, unknown>>): Decoded {
  const { host, port, zone, owner } = fields;
  const protocol = fields['protocol'] ?? 'http';
  const weight = fields['weight'] ?? 100;
  const tags = fields['tags'] ?? [];
  const metadata = fields['metadata'] ?? {};
  const health = fields['health'] ?? 'unknown';
  const enabled = fields['enabled'] ?? true;
  const leaving = fields['leaving'] ?? false;
  if (typeof host !== 'string') return { reason: 'host is not a text' };
  if (typeof port !== 'number') return { reason: 'port is not a number' };
  if (typeof protocol !== 'string' || !PROTOCOLS.includes(protocol)) return { reason: 'unknown protocol' };
  if (typeof weight !== 'number') return { reason: 'weight is not a number' };
  if (zone !== undefined && typeof zone !== 'string') return { reason: 'zone is not a text' };
  if (owner !== undefined && typeof owner !== 'string') return { reason: 'owner is not a text' };
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) return { reason: 'tags are not texts' };
  if (!isTextMap(metadata)) return { reason: 'metadata is not a map of texts' };
  if (typeof health !== 'string' || !HEALTHS.includes(health)) return { reason: 'unknown health' };
  if (typeof enabled !== 'boolean') return { reason: 'enabled is not a boolean' };
  if (typeof leaving !== 'boolean') return { reason: 'leaving is not a boolean' };
  const instance: ServiceInstance = {
    key,
    id,
    host,
    port,
    protocol: protocol as ServiceInstance['protocol'],
    weight,
    ...(zone === undefined ? {} : { zone }),
    tags,
    metadata,
    health: health as ServiceInstance['health'],
    enabled,
    ...(owner === undefined ? {} : { owner }),
    ...(leaving ? { leaving } : {}),
  };
  const reason = problemOf(instance);
  return reason === undefined ? { instance, fields } : { reason };
}

/** Throws RegistryError `invalid` where a record of ours breaks a rule, before anything is sent. */
export function assertValid(instance: ServiceInstance, maxMetadataBytes: number = MAX_METADATA_BYTES): void {
  const problem =
    problemOfKey(instance.key) ??
    problemOf(instance) ??
    (metadataBytes(instance.metadata) > maxMetadataBytes
      ? `metadata is longer than ${maxMetadataBytes} bytes`
      : undefined);
  if (problem !== undefined) throw new RegistryError('invalid', `own record: ${problem}`);
}

/** Why a key cannot be spelled in a registry; undefined where it can. */
export function problemOfKey(key: ServiceKey): string | undefined {
  return (
    problemOfName(key.namespace, 'namespace') ??
    problemOfName(key.group, 'group') ??
    problemOfName(key.service, 'service')
  );
}

/** True where two records say the same. */
export function sameInstance(a: ServiceInstance, b: ServiceInstance): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.host === b.host &&
      a.port === b.port &&
      a.protocol === b.protocol &&
      a.weight === b.weight &&
      a.zone === b.zone &&
      a.health === b.health &&
      a.enabled === b.enabled &&
      a.owner === b.owner &&
      a.leaving === b.leaving &&
      a.tags.length === b.tags.length &&
      a.tags.every((tag, index) => tag === b.tags[index]) &&
      sameMetadata(a.metadata, b.metadata))
  );
}

function problemOf(instance: ServiceInstance): string | undefined {
  const { host, port, weight, zone, owner, tags, metadata } = instance;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return 'port is not 1..65535';
  if (!Number.isFinite(weight) || weight < 0 || weight > 1_000) return 'weight is not 0..1000';
  if (host.length > 253 || hostClass(host) === 'refused') return 'host is not one that a service can have';
  if (tags.length > MAX_TAGS) return `more than ${MAX_TAGS} tags`;
  if (Object.keys(metadata).length > MAX_METADATA_ENTRIES) return `more than ${MAX_METADATA_ENTRIES} metadata entries`;
  if (metadataBytes(metadata) > MAX_METADATA_BYTES) return `metadata is longer than ${MAX_METADATA_BYTES} bytes`;
  for (const tag of tags) {
    const problem = problemOfName(tag, 'tag');
    if (problem !== undefined) return problem;
  }
  for (const [name, value] of Object.entries(metadata)) {
    const problem = problemOfName(name, 'metadata key');
    if (problem !== undefined) return problem;
    if (LONE_SURROGATE.test(value)) return 'metadata value is not well-formed text';
  }
  return (
    problemOfName(instance.id, 'id') ??
    (zone === undefined ? undefined : problemOfName(zone, 'zone')) ??
    (owner === undefined ? undefined : problemOfName(owner, 'owner'))
  );
}

function problemOfName(text: string, what: string): string | undefined {
  if (text === '') return `${what} is empty`;
  if (text.length > MAX_TEXT_BYTES || Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    return `${what} is longer than ${MAX_TEXT_BYTES} bytes`;
  }
  if (CONTROL.test(text)) return `${what} has control characters`;
  return LONE_SURROGATE.test(text) ? `${what} is not well-formed text` : undefined;
}

function sameMetadata(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextMap(value: unknown): value is Record<string, string> {
  return isPlainObject(value) && Object.values(value).every((entry) => typeof entry === 'string');
}
