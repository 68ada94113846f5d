// Reads `PILOTFISH_REGISTRY`: the name of a registry, or a URL that says where it is as well.
import { RegistryError } from './types.ts';

/** Which registry, and what the text says of it: the same fields as `registry.<type>` in the configuration. */
export interface RegistryLocator {
  readonly type: RegistryType;
  readonly options: Readonly<Record<string, unknown>>;
}

/** All that there are. */
export const REGISTRY_TYPES = ['file', 'etcd', 'consul', 'nacos', 'dns', 'static'] as const;
export type RegistryType = (typeof REGISTRY_TYPES)[number];

/** What follows the scheme of a URL, taken apart by each type for itself. */
type UrlReader = (rest: string, isTls: boolean) => Readonly<Record<string, unknown>>;

const URL_READERS: Readonly<Partial<Record<RegistryType, UrlReader>>> = {
  file: readFileUrl,
  etcd: readEtcdUrl,
  consul: readConsulUrl,
  nacos: readNacosUrl,
  dns: readDnsUrl,
};

/** Parameters of a `consul://` URL, by the names that Consul's own API has, and their fields. */
const CONSUL_PARAMETERS: ReadonlyMap<string, string> = new Map([
  ['dc', 'datacenter'],
  ['ns', 'namespace'],
  ['partition', 'partition'],
]);

/** Throws RegistryError `invalid` for an unknown name (listing the known ones) and for a URL that cannot be. */
export function parseRegistryLocator(text: string): RegistryLocator {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text);
  if (match?.[1] === undefined) return { type: registryType(text), options: {} };
  const scheme = match[1].toLowerCase();
  const isTls = ['etcds', 'consuls', 'nacoss'].includes(scheme);
  const type = registryType(isTls ? scheme.slice(0, -1) : scheme);
  const read = URL_READERS[type];
  if (read === undefined) throw new RegistryError('invalid', `registry "${type}" has no URL form`);
  return { type, options: read(match[2] ?? '', isTls) };
}

/** The type of this name. Throws as `parseRegistryLocator` does; the text itself is not repeated, it may hold a password. */
export function registryType(name: string): RegistryType {
  const type = REGISTRY_TYPES.find((known) => known === name);
  if (type === undefined) {
    const shown = /^[A-Za-z0-9_-]{1,32}$/.test(name) ? ` "${name}"` : '';
    const known = `${REGISTRY_TYPES.join(', ')}, or a URL such as file:///directory`;
    throw new RegistryError('invalid', `unknown registry${shown}, expected ${known}`);
  }
  return type;
}

/** `file:///run/pilotfish`; an authority or a query has no meaning here. */
function readFileUrl(rest: string): Readonly<Record<string, unknown>> {
  const expected = 'expected file:///directory, an absolute path';
  if (!/^\/[^/?#][^?#]*$/.test(rest)) throw new RegistryError('invalid', expected);
  try {
    const directory = decodeURIComponent(rest).replace(/\/+$/, '');
    if (directory.includes('\0')) throw new URIError('NUL');
    return { directory };
  } catch (error) {
    throw new RegistryError('invalid', `${expected}, percent-encoded`, { cause: error });
  }
}

/** `etcd://h1:2379,h2:2379/prefix?format=grpc`; a user or password has no place in a URL, and what is found there is not repeated. */
function readEtcdUrl(rest: string, isTls: boolean): Readonly<Record<string, unknown>> {
  const [, hosts = '', path, format] = /^([^/?#@]+)(\/[^?#@]*)?(?:\?format=([a-z]+))?$/.exec(rest) ?? [];
  const endpoints = hosts.split(',');
  const expected = 'expected etcd://host:2379,host:2379/prefix (a user goes into ETCDCTL_USER and ETCDCTL_PASSWORD)';
  if (!endpoints.every((host) => /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.test(host))) {
    throw new RegistryError('invalid', expected);
  }
  try {
    const prefix = decodeURIComponent(path ?? '').replace(/\/+$/, '');
    return {
      endpoints: endpoints.map((host) => `${isTls ? 'https' : 'http'}://${host}`),
      ...(prefix === '' ? {} : { prefix }),
      ...(format === undefined ? {} : { format }),
    };
  } catch (error) {
    throw new RegistryError('invalid', expected, { cause: error });
  }
}

/** `consul://host:8500?dc=dc1&ns=team&partition=p`; a token has no place in a URL, and what is found there is not repeated. */
function readConsulUrl(rest: string, isTls: boolean): Readonly<Record<string, unknown>> {
  const [authority = '', query = '', ...more] = rest.split('?');
  const host = authority.replace(/\/$/, '');
  if (!/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.test(host) || more.length > 0) {
    throw new RegistryError('invalid', 'expected consul://host:8500?dc=name (a token goes into CONSUL_HTTP_TOKEN)');
  }
  const fields: Record<string, unknown> = { address: `${isTls ? 'https' : 'http'}://${host}` };
  for (const [name, value] of new URLSearchParams(query)) {
    const field = CONSUL_PARAMETERS.get(name);
    if (field === undefined || value === '' || fields[field] !== undefined) {
      throw new RegistryError('invalid', `consul:// takes ${[...CONSUL_PARAMETERS.keys()].join(', ')}, once each`);
    }
    fields[field] = value;
  }
  return fields;
}

/** `nacos://h1:8848,h2:8848/namespace?group=G`; a user or password has no place in a URL, and what is found there is not repeated. */
function readNacosUrl(rest: string, isTls: boolean): Readonly<Record<string, unknown>> {
  const [, hosts = '', namespace = '', group] =
    /^([^/?#@]+)(?:\/([A-Za-z0-9_-]*))?(?:\?group=([^?#&@]+))?$/.exec(rest) ?? [];
  const endpoints = hosts.split(',');
  if (!endpoints.every((host) => /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.test(host))) {
    const user = 'a user goes into NACOS_USERNAME and NACOS_PASSWORD';
    throw new RegistryError('invalid', `expected nacos://host:8848,host:8848/namespace?group=name (${user})`);
  }
  try {
    return {
      endpoints: endpoints.map((host) => `${isTls ? 'https' : 'http'}://${host}`),
      ...(namespace === '' ? {} : { namespace }),
      ...(group === undefined ? {} : { group: decodeURIComponent(group) }),
    };
  } catch (error) {
    throw new RegistryError('invalid', 'nacos://: the group is not percent-encoded text', { cause: error });
  }
}

/** `dns://10.0.0.2:53/{service}.svc.cluster.local?port=8080`; without a server: `dns:///{service}.example.com`. */
function readDnsUrl(rest: string): Readonly<Record<string, unknown>> {
  const [, servers = '', name, query] = /^([^/?#]*)(?:\/([^/?#]*))?(?:\?([a-z0-9=&]*))?$/.exec(rest) ?? [];
  const parameters = new URLSearchParams(query);
  const [port, type] = [parameters.get('port'), parameters.get('type')];
  const isComplete = parameters.size === (port === null ? 0 : 1) + (type === null ? 0 : 1);
  if ((rest !== '' && servers === '' && name === undefined) || !isComplete || !/^\d{1,5}$/.test(port ?? '1')) {
    throw new RegistryError('invalid', 'expected dns://server:53/{service}.example.com?port=8080 or ?type=srv');
  }
  return {
    ...(servers === '' ? {} : { servers: servers.split(',') }),
    ...(name === undefined || name === '' ? {} : { name }),
    ...(port === null ? {} : { port: Number(port) }),
    ...(type === null ? {} : { type }),
  };
}
