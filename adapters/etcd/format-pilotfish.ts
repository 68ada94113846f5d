// Our own form: `<prefix>/<namespace>/<group>/<service>/<id>`, each segment percent-encoded, the value as in `record.ts`.
import { decodeRecord, encodeRecord } from '../../src/registry/record.ts';
import type { RecordFormat } from './format.ts';

/** @param prefix without a slash at its end. */
export function pilotfishFormat(prefix: string): RecordFormat {
  const join = (...segments: string[]): string => [prefix, ...segments.map(encodeURIComponent)].join('/');
  return {
    servicePrefix: ({ namespace, group, service }) => `${join(namespace, group, service)}/`,
    listPrefix: ({ namespace, group, service }) => {
      const known = [namespace, group, service];
      const end = known.includes(undefined) ? known.indexOf(undefined) : known.length;
      return `${join(...known.slice(0, end).map(String))}/`;
    },
    recordKey: ({ key: { namespace, group, service }, id }) => join(namespace, group, service, id),
    parse: (recordKey) => {
      if (!recordKey.startsWith(`${prefix}/`)) return undefined;
      const segments = recordKey
        .slice(prefix.length + 1)
        .split('/')
        .map(decodeSegment);
      const [namespace, group, service, name] = segments;
      if (segments.length !== 4 || !namespace || !group || !service || !name) return undefined;
      return { key: { namespace, group, service }, name };
    },
    encode: (instance) => encodeRecord(instance),
    decode: ({ key, name }, value) => decodeRecord(key, name, value),
  };
}

/** Undefined for what is no percent-encoding. */
function decodeSegment(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
