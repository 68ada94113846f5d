// The form of etcd's own naming client (`go.etcd.io/etcd/client/v3/naming/endpoints`), which gRPC clients in Go resolve by.
import { instanceFrom } from '../../src/registry/record.ts';
import type { RecordFormat } from './format.ts';
import {
  addressText,
  fromOwnFields,
  isObject,
  ownFields,
  parseAddress,
  parseObject,
  rawKeys,
  textsOf,
} from './format-foreign.ts';

/**
 * Key `<service>/<addr>`, value `{"Op":0,"Addr":"host:port","Metadata":…}`. Records of others are taken as gRPC servers
 * (`h2c`) that are well, named by the last part of their key. Ours lie under their address, so that two copies of one id do
 * not meet, and carry their other fields in `Metadata.pilotfish`.
 */
export function grpcFormat(prefix: string): RecordFormat {
  return {
    ...rawKeys(prefix, addressText),
    encode: (instance) => {
      const metadata = { ...instance.metadata, pilotfish: ownFields(instance) };
      return JSON.stringify({ Op: 0, Addr: addressText(instance), Metadata: metadata });
    },
    decode: (parsed, value) => {
      const update = parseObject(value);
      if (typeof update === 'string') return { reason: update };
      const { Op: operation, Addr: addr, Metadata: metadata } = update;
      if (operation !== undefined && operation !== 0) return { reason: 'not an added endpoint' };
      const address = typeof addr === 'string' ? parseAddress(addr) : undefined;
      if (address === undefined) return { reason: 'Addr is not host:port' };
      const own = isObject(metadata) ? fromOwnFields(parsed, metadata['pilotfish'], address) : undefined;
      if (own !== undefined) return own;
      const fields = { ...address, protocol: 'h2c', health: 'passing', metadata: textsOf(metadata) };
      return instanceFrom(parsed.key, parsed.name, fields);
    },
  };
}
