// How records are spelled: the key they lie under and the JSON in it. One implementation a convention.
import type { Decoded } from '../../src/registry/record.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';

/** What a key says without its value. */
export interface ParsedKey {
  readonly key: ServiceKey;
  /** What names the record within its service. */
  readonly name: string;
}

/** One convention. Keys are text; etcd's are bytes, and those that are no UTF-8 belong to nobody here. */
export interface RecordFormat {
  /** Beginning of the keys of one service. Throws RegistryError `invalid` for a service that cannot be spelled so. */
  servicePrefix(key: ServiceKey): string;
  /** Beginning of the keys of all services that match, as narrow as keys allow. */
  listPrefix(prefix: Partial<ServiceKey>): string;
  /** Where a record of ours lies. Throws RegistryError `invalid` for an id that cannot be spelled so. */
  recordKey(instance: ServiceInstance): string;
  /** The service and name that a key stands for; undefined for a key of something else. */
  parse(recordKey: string): ParsedKey | undefined;
  encode(instance: ServiceInstance): string;
  /** Never throws. */
  decode(parsed: ParsedKey, value: string): Decoded;
}
