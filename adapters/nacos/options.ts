// What `registry.nacos` may say, checked, with the variables that Nacos' own tools use as the last word.
import { RegistryError } from '../../src/registry/types.ts';
import { isKeyPair } from '../../src/util/key-pair.ts';
import { addressesOf, parseServerAddress } from '../../src/util/server-address.ts';
import { MAX_METADATA_BYTES } from '../../src/util/metadata.ts';
import { DEFAULT_METADATA_BYTES } from './record.ts';
import { DEFAULT_GROUP, PUBLIC_NAMESPACE } from './names.ts';

/** How the server is spoken to. */
export type NacosDriverName = 'grpc' | 'http' | 'legacy' | 'auto';
const DRIVERS: readonly NacosDriverName[] = ['grpc', 'http', 'legacy', 'auto'];

/** Paths of PEM files, read anew at each connection. */
export interface NacosTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name that the server's certificate is for, where it is not the host's. */
  readonly serverName?: string;
}

/** `registry.nacos`. */
export interface NacosOptions {
  /** `host:8848`, `http://host:8848` or `https://host:8848`; several are tried in turn. Default `127.0.0.1:8848`. */
  readonly endpoints?: readonly string[];
  /** What the namespace `default` means. Default `public`, which is the empty one, too. */
  readonly namespace?: string;
  /** What the group `default` means. Default `DEFAULT_GROUP`. */
  readonly group?: string;
  /** Default `grpc`. */
  readonly driver?: NacosDriverName;
  /** From the HTTP port to gRPC's. Default 1000. */
  readonly grpcPortOffset?: number;
  /** Default `/nacos`. */
  readonly contextPath?: string;
  /** Metadata of a record of ours that the server takes: 512 by default; up to 16,384 where its own check is off. */
  readonly maxMetadataBytes?: number;
  readonly username?: string;
  readonly password?: string;
  /** Path of a file with the password, read anew at each login. */
  readonly passwordFile?: string;
  readonly tls?: NacosTls;
}

/** One server. */
export interface NacosEndpoint {
  readonly host: string;
  readonly port: number;
}

/** Everything said. */
export interface NacosSettings {
  readonly endpoints: readonly NacosEndpoint[];
  readonly namespace: string;
  readonly group: string;
  readonly driver: NacosDriverName;
  readonly grpcPortOffset: number;
  readonly contextPath: string;
  readonly maxMetadataBytes: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  /** undefined: plain text. */
  readonly tls: NacosTls | undefined;
}

const DEFAULT_PORT = 8_848;
const GRPC_PORT_OFFSET = 1_000;
const KNOWN: ReadonlySet<string> = new Set([
  ...['endpoints', 'namespace', 'group', 'driver', 'grpcPortOffset', 'contextPath', 'username', 'password'],
  ...['passwordFile', 'tls', 'maxMetadataBytes'],
]);

/**
 * Checks and completes. `NACOS_ADDR`, `NACOS_NAMESPACE`, `NACOS_USERNAME` and `NACOS_PASSWORD` serve where nothing explicit
 * is said. Throws RegistryError `invalid` naming the field, never its value: it may be in the wrong place, and secret.
 */
export function nacosSettings(options: unknown, env: Readonly<Record<string, string | undefined>>): NacosSettings {
  const fields = asFields(options, '');
  for (const name of Object.keys(fields)) if (!KNOWN.has(name)) throw invalid(name, 'unknown');
  const endpoints = list(fields['endpoints'] ?? addressesOf(env['NACOS_ADDR'])).map(parseEndpoint);
  const isTls = endpoints.some((endpoint) => endpoint.isTls);
  const driver = DRIVERS.find((name) => name === (fields['driver'] ?? 'grpc'));
  if (driver === undefined) throw invalid('driver', DRIVERS.join(', '));
  const contextPath = text(fields, 'contextPath') ?? '/nacos';
  if (!/^(\/[\w.-]+)*$/.test(contextPath)) throw invalid('contextPath', 'a path such as /nacos');
  const tls = fields['tls'] === undefined ? undefined : parseTls(asFields(fields['tls'], 'tls'));
  return {
    endpoints: endpoints.length === 0 ? [{ host: '127.0.0.1', port: DEFAULT_PORT }] : endpoints,
    namespace: text(fields, 'namespace') ?? fromEnv(env, 'NACOS_NAMESPACE') ?? PUBLIC_NAMESPACE,
    group: text(fields, 'group') ?? DEFAULT_GROUP,
    driver,
    grpcPortOffset: integer(fields, 'grpcPortOffset', [-65_000, 65_000]) ?? GRPC_PORT_OFFSET,
    contextPath,
    maxMetadataBytes: integer(fields, 'maxMetadataBytes', [0, MAX_METADATA_BYTES]) ?? DEFAULT_METADATA_BYTES,
    username: text(fields, 'username') ?? fromEnv(env, 'NACOS_USERNAME'),
    password: text(fields, 'password') ?? fromEnv(env, 'NACOS_PASSWORD'),
    passwordFile: text(fields, 'passwordFile'),
    tls: tls ?? (isTls ? {} : undefined),
  };
}

/** Names the registry, for snapshots and logs: no credentials. */
export function sourceOf(settings: NacosSettings): string {
  const hosts = settings.endpoints.map(({ host, port }) => `${host}:${port}`).sort();
  return `nacos:${hosts.join(',')}/${settings.namespace}?group=${settings.group}`;
}

function parseEndpoint(value: unknown): NacosEndpoint & { readonly isTls: boolean } {
  const address = typeof value === 'string' ? parseServerAddress(value) : undefined;
  if (address === undefined) throw invalid('endpoints', 'host:port, without credentials');
  return { host: address.host, port: address.port ?? DEFAULT_PORT, isTls: address.scheme === 'https' };
}

function parseTls(fields: Readonly<Record<string, unknown>>): NacosTls {
  const names = ['ca', 'cert', 'key', 'serverName'] as const;
  for (const name of Object.keys(fields))
    if (!names.some((known) => known === name)) throw invalid('tls', 'unknown key');
  const [ca, cert, key, serverName] = names.map((name) => text(fields, name));
  if (!isKeyPair({ cert, key })) throw invalid('tls', 'cert and key go together');
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

function list(value: unknown): unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid('endpoints', 'a list');
  return value as unknown[];
}

function text(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = fields[name];
  if (value !== undefined && typeof value !== 'string') throw invalid(name, 'a text');
  return value;
}

function integer(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  [least, most]: readonly [number, number],
): number | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw invalid(name, `a whole number from ${least} to ${most}`);
  }
  return value;
}

function fromEnv(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  return env[name] === '' ? undefined : env[name];
}

function asFields(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(name, 'a map');
  return value as Readonly<Record<string, unknown>>;
}

function invalid(name: string, expected: string): RegistryError {
  return new RegistryError('invalid', `registry.nacos${name === '' ? '' : `.${name}`}: expected ${expected}`);
}
