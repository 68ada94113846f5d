// What the forms of other programs share: raw keys `<prefix>/<service>/<name>`, and our own fields carried along in theirs.
import { encodeRecord, instanceFrom, MAX_RECORD_BYTES, type Decoded } from '../../src/registry/record.ts';
import { RegistryError, serviceKey, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import type { ParsedKey, RecordFormat } from './format.ts';

/** The part of a format that keys decide. */
type Keys = Pick<RecordFormat, 'servicePrefix' | 'listPrefix' | 'recordKey' | 'parse'>;

/**
 * Keys as they are, with slashes inside a service's name allowed and in a record's name not. There are no namespaces and
 * groups in them: only the default ones can be spelled.
 * @param nameOf what our own records are called.
 */
export function rawKeys(prefix: string, nameOf: (instance: ServiceInstance) => string): Keys {
  const start = prefix === '' ? '' : `${prefix}/`;
  const servicePrefix = ({ namespace, group, service }: ServiceKey): string => {
    if (namespace !== 'default' || group !== 'default') {
      throw new RegistryError('invalid', 'this format of etcd records has no namespaces and groups');
    }
    return `${start}${service}/`;
  };
  return {
    servicePrefix,
    listPrefix: ({ service }) => (service === undefined ? start : servicePrefix(serviceKey(service))),
    recordKey: (instance) => {
      const name = nameOf(instance);
      if (name.includes('/')) throw new RegistryError('invalid', 'this format of etcd records has no slash in ids');
      return servicePrefix(instance.key) + name;
    },
    parse: (recordKey) => {
      const slash = recordKey.lastIndexOf('/');
      const name = recordKey.slice(slash + 1);
      const service = recordKey.slice(start.length, Math.max(slash, start.length));
      if (!recordKey.startsWith(start) || service === '' || name === '') return undefined;
      return { key: serviceKey(service), name };
    },
  };
}

/** A value as JSON object; a text is why it is none. */
export function parseObject(value: string): Readonly<Record<string, unknown>> | string {
  if (value.length > MAX_RECORD_BYTES) return `longer than ${MAX_RECORD_BYTES} bytes`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return 'not JSON';
  }
  return isObject(parsed) ? parsed : 'not a JSON object';
}

/** Our record, to be put beside the fields of others, under the name `pilotfish`. */
export function ownFields(instance: ServiceInstance): unknown {
  return { id: instance.id, ...(JSON.parse(encodeRecord(instance)) as object) };
}

/** The instance of fields that `ownFields` wrote; undefined where there are none. The address is the one others see. */
export function fromOwnFields(
  { key, name }: ParsedKey,
  own: unknown,
  address: { readonly host: string; readonly port: number },
): Decoded | undefined {
  if (!isObject(own) || own['v'] !== 1) return undefined;
  const id = typeof own['id'] === 'string' ? own['id'] : name;
  return instanceFrom(key, id, { ...own, ...address });
}

/** Metadata of others: texts as they are, numbers and booleans as text, the rest left out. */
export function textsOf(metadata: unknown): Record<string, string> {
  if (!isObject(metadata)) return {};
  const texts = Object.entries(metadata).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[name, String(value)]] : [],
  );
  return Object.fromEntries(texts) as Record<string, string>;
}

/** `host:port`, IPv6 in brackets; undefined where the text is not so. Ranges are checked with the rest of the record. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  return host === undefined ? undefined : { host, port: Number(port) };
}

/** `host:port`, with brackets where the host is IPv6. */
export function addressText({ host, port }: ServiceInstance): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A JSON object, and no array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
