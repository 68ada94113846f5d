// The form of go-kratos' etcd registry (`github.com/go-kratos/kratos/contrib/registry/etcd`).
import { instanceFrom } from '../../src/registry/record.ts';
import type { ServiceInstance } from '../../src/registry/types.ts';
import type { RecordFormat } from './format.ts';
import {
  addressText,
  fromOwnFields,
  ownFields,
  parseAddress,
  parseObject,
  rawKeys,
  textsOf,
} from './format-foreign.ts';

/** What an endpoint's scheme says of the protocol, in the order in which one of several is chosen. */
const SCHEMES: readonly (readonly [string, ServiceInstance['protocol'], ServiceInstance['protocol']])[] = [
  ['http', 'http', 'https'],
  ['https', 'https', 'https'],
  ['grpc', 'h2c', 'https'],
  ['grpcs', 'https', 'https'],
];

/**
 * Key `/microservices/<name>/<id>`, value `{"id","name","version","metadata","endpoints":["http://…","grpc://…"]}`. Of
 * several endpoints the HTTP one is taken, and gRPC (`h2c`) where there is no other. The version is metadata too.
 */
export function kratosFormat(prefix: string): RecordFormat {
  return {
    ...rawKeys(prefix, ({ id }) => id),
    encode: (instance) =>
      JSON.stringify({
        id: instance.id,
        name: instance.key.service,
        version: instance.metadata['version'] ?? '',
        metadata: instance.metadata,
        endpoints: [endpointOf(instance)],
        pilotfish: ownFields(instance),
      }),
    decode: (parsed, value) => {
      const record = parseObject(value);
      if (typeof record === 'string') return { reason: record };
      const chosen = choose(record['endpoints']);
      if (chosen === undefined) return { reason: 'no endpoint of http, https, grpc or grpcs' };
      const { address, protocol } = chosen;
      const own = fromOwnFields(parsed, record['pilotfish'], address);
      if (own !== undefined) return own;
      const { version } = record;
      const metadata = {
        ...(typeof version === 'string' && version !== '' ? { version } : {}),
        ...textsOf(record['metadata']),
      };
      return instanceFrom(parsed.key, parsed.name, { ...address, protocol, health: 'passing', metadata });
    },
  };
}

function choose(
  endpoints: unknown,
): { readonly address: { host: string; port: number }; readonly protocol: ServiceInstance['protocol'] } | undefined {
  if (!Array.isArray(endpoints)) return undefined;
  for (const [scheme, plain, secure] of SCHEMES) {
    for (const endpoint of endpoints.slice(0, 16)) {
      const [, authority, query = ''] =
        typeof endpoint === 'string' ? (/^([a-z]+:\/\/[^/?#]+)[^?#]*(\?[^#]*)?/.exec(endpoint) ?? []) : [];
      if (authority?.startsWith(`${scheme}://`) !== true) continue;
      const address = parseAddress(authority.slice(scheme.length + 3));
      const isSecure = new URLSearchParams(query).get('isSecure') === 'true';
      if (address !== undefined) return { address, protocol: isSecure ? secure : plain };
    }
  }
  return undefined;
}

function endpointOf(instance: ServiceInstance): string {
  const { protocol } = instance;
  const scheme = protocol === 'h2c' ? 'grpc' : protocol === 'tcp' ? 'http' : protocol;
  return `${scheme}://${addressText(instance)}?isSecure=${protocol === 'https'}`;
}
