// What `registry.consul` and Consul's own variables say → where the agent is and who we are there. Nothing is opened yet.
import { isIPv6 } from 'node:net';
import { RegistryError } from '../../src/registry/types.ts';
import { isKeyPair } from '../../src/util/key-pair.ts';
import { parseServerAddress, parseSocketAddress } from '../../src/util/server-address.ts';

/** What `registry.consul` may say; every field is optional, Consul's own variables fill what is missing. */
export interface ConsulOptions {
  /** `host:port`, `http://…`, `https://…` or `unix:///path`. Default: `CONSUL_HTTP_ADDR`, else 127.0.0.1:8500. */
  readonly address?: string;
  /** Datacenter to read from. Default: the agent's own. Registrations are always the agent's. */
  readonly datacenter?: string;
  /** Enterprise: namespace in which the key's namespace `default` lies. */
  readonly namespace?: string;
  /** Enterprise: admin partition. */
  readonly partition?: string;
  /** ACL token. Default: `CONSUL_HTTP_TOKEN`. */
  readonly token?: string;
  /** File with the token, read again when it changes; wins over `token`. Default: `CONSUL_HTTP_TOKEN_FILE`. */
  readonly tokenFile?: string;
  readonly tls?: ConsulTlsOptions;
}

/** Paths of PEM files, read again when they change. Any of them means TLS, unless the address says `http://`. */
export interface ConsulTlsOptions {
  /** True: TLS also where nothing else says so. */
  readonly enabled?: boolean;
  /** Default: the certificate authorities of the system. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name that the agent's certificate must have, where it is not the address's. */
  readonly serverName?: string;
}

/** The options, complete and checked. */
export interface ConsulTarget {
  /** `http://host:port` or `https://host:port`, always with the port, without a path and without credentials. */
  readonly origin: string;
  readonly socketPath: string | undefined;
  readonly datacenter: string | undefined;
  readonly namespace: string | undefined;
  readonly partition: string | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly tls: ConsulTlsOptions | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ADDRESS = '127.0.0.1:8500';
const TEXTS = ['address', 'datacenter', 'namespace', 'partition', 'token', 'tokenFile'] as const;
const TLS_TEXTS = ['ca', 'cert', 'key', 'serverName'] as const;

/**
 * Completes options with Consul's own variables: those about where and how count only where no address is given, the token
 * and the files wherever the option itself is missing. Throws RegistryError `invalid`, never repeating a token.
 */
export function consulTarget(options: unknown, env: Environment): ConsulTarget {
  const said = checked(options);
  const from = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const isOwnAddress = said.address === undefined;
  const variable = (env['CONSUL_HTTP_ADDR'] ?? '').trim();
  const address = said.address ?? (variable === '' ? DEFAULT_ADDRESS : variable);
  const asksTls = isOwnAddress && /^(1|t|true)$/i.test(from('CONSUL_HTTP_SSL') ?? '');
  const tls = completeTls(said.tls ?? {}, asksTls, from);
  const hasToken = said.token !== undefined || said.tokenFile !== undefined;
  const token = hasToken ? said.token : from('CONSUL_HTTP_TOKEN');
  if (token !== undefined && !/^[\x21-\x7e]{1,512}$/.test(token)) {
    throw new RegistryError('invalid', 'consul: the token has characters that no token has');
  }
  return {
    ...parseAddress(address, tls?.enabled === true),
    datacenter: said.datacenter ?? from('CONSUL_DATACENTER'),
    namespace: said.namespace ?? from('CONSUL_NAMESPACE'),
    partition: said.partition ?? from('CONSUL_PARTITION'),
    token,
    tokenFile: hasToken ? said.tokenFile : from('CONSUL_HTTP_TOKEN_FILE'),
    tls,
  };
}

function completeTls(
  said: ConsulTlsOptions,
  asksTls: boolean,
  from: (name: string) => string | undefined,
): ConsulTlsOptions | undefined {
  const pick = (value: string | undefined, name: string): string | undefined => value ?? from(name);
  const ca = pick(said.ca, 'CONSUL_CACERT');
  const cert = pick(said.cert, 'CONSUL_CLIENT_CERT');
  const key = pick(said.key, 'CONSUL_CLIENT_KEY');
  const serverName = pick(said.serverName, 'CONSUL_TLS_SERVER_NAME');
  if (!isKeyPair({ cert, key })) {
    throw new RegistryError('invalid', 'consul: a client certificate and its key belong together');
  }
  const isWanted = said.enabled === true || asksTls || said.ca !== undefined || said.cert !== undefined;
  const isPossible = isWanted || ca !== undefined || cert !== undefined;
  if (!isPossible || said.enabled === false) return undefined;
  return {
    enabled: isWanted,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

function parseAddress(text: string, hasTls: boolean): Pick<ConsulTarget, 'origin' | 'socketPath'> {
  const socketPath = parseSocketAddress(text);
  if (socketPath !== undefined) return { origin: 'http://localhost', socketPath };
  const address = parseServerAddress(text);
  if (address === undefined) {
    throw new RegistryError(
      'invalid',
      'consul: expected an address such as 127.0.0.1:8500, https://host:8501 or unix:///path',
    );
  }
  const { scheme = hasTls ? 'https' : 'http', host, port = scheme === 'https' ? 8501 : 8500 } = address;
  return { origin: `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`, socketPath: undefined };
}

function checked(options: unknown): ConsulOptions {
  const said = fieldsOf(options, 'registry.consul', TEXTS, ['tls']);
  if (said['tls'] !== undefined) {
    const tls = fieldsOf(said['tls'], 'registry.consul.tls', TLS_TEXTS, ['enabled']);
    if (tls['enabled'] !== undefined && typeof tls['enabled'] !== 'boolean') {
      throw new RegistryError('invalid', 'registry.consul.tls.enabled: expected true or false');
    }
  }
  return said;
}

function fieldsOf(
  value: unknown,
  where: string,
  texts: readonly string[],
  others: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RegistryError('invalid', `${where}: expected a map`);
  }
  for (const [name, field] of Object.entries(value as Record<string, unknown>)) {
    if (field === undefined || others.includes(name)) continue;
    if (!texts.includes(name)) throw new RegistryError('invalid', `${where}.${name}: not an option`);
    if (typeof field !== 'string' || field === '')
      throw new RegistryError('invalid', `${where}.${name}: expected a text`);
  }
  return value as Readonly<Record<string, unknown>>;
}
