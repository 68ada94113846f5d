// What `registry.etcd` may say, checked and completed: from the configuration, a URL, or the variables of etcd's own tools.
import { isIPv6 } from 'node:net';
import { RegistryError } from '../../src/registry/types.ts';
import { isKeyPair } from '../../src/util/key-pair.ts';
import { addressesOf, parseServerAddress } from '../../src/util/server-address.ts';

/** PEM files of a TLS connection. They are read again when they change. */
export interface EtcdTlsOptions {
  /** Authority that the servers' certificates must come from. Default: the system's. */
  readonly ca?: string;
  /** Our own certificate, where servers ask for one. */
  readonly cert?: string;
  /** Its key. */
  readonly key?: string;
}

/** How records are written and read: ours, or one of the forms that other programs use. */
export type EtcdFormat = 'pilotfish' | 'grpc' | 'kratos';

/** `registry.etcd`. */
export interface EtcdOptions {
  /** `http://host:port` or, all of them, `https://host:port`. Default: `ETCDCTL_ENDPOINTS`, else `http://127.0.0.1:2379`. */
  readonly endpoints?: readonly string[];
  /** What all keys begin with. Default `/pilotfish`; nothing for `grpc`, `/microservices` for `kratos`. */
  readonly prefix?: string;
  /** Default `pilotfish`. */
  readonly format?: EtcdFormat;
  /** Default: the user of `ETCDCTL_USER`. */
  readonly username?: string;
  /** Default: `ETCDCTL_PASSWORD`, or what follows the colon in `ETCDCTL_USER`. */
  readonly password?: string;
  /** File with the password, read again when it changes; wins over `password`. */
  readonly passwordFile?: string;
  /** Default: `ETCDCTL_CACERT`, `ETCDCTL_CERT`, `ETCDCTL_KEY`. */
  readonly tls?: EtcdTlsOptions;
}

/** The options with nothing left open. */
export interface EtcdSettings {
  /** `host:port` each. */
  readonly hosts: readonly string[];
  readonly isSecure: boolean;
  readonly tls: EtcdTlsOptions;
  /** Without a slash at its end. */
  readonly prefix: string;
  readonly format: EtcdFormat;
  readonly user: EtcdUser | undefined;
}

/** Who we are there. The password is the file's where one is named. */
export interface EtcdUser {
  readonly name: string;
  readonly password?: string;
  readonly passwordFile?: string;
}

const DEFAULT_PORT = 2379;
const DEFAULT_PREFIX: Readonly<Record<EtcdFormat, string>> = {
  pilotfish: '/pilotfish',
  grpc: '',
  kratos: '/microservices',
};

/** Throws RegistryError `invalid`; what is wrong is named, never repeated, since it may hold a password. */
export function resolveOptions(
  options: EtcdOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): EtcdSettings {
  const tls = options.tls ?? tlsOf(env);
  const isTlsNamed = Object.values(tls).some((path) => path !== undefined);
  const given = options.endpoints ?? addressesOf(env['ETCDCTL_ENDPOINTS']);
  const endpoints = (given.length > 0 ? given : [`127.0.0.1:${DEFAULT_PORT}`]).map((text) =>
    parseEndpoint(text, isTlsNamed),
  );
  const isSecure = endpoints.some((endpoint) => endpoint.isSecure);
  if (endpoints.some((endpoint) => endpoint.isSecure !== isSecure)) {
    throw new RegistryError('invalid', 'registry.etcd.endpoints: all with https, or none');
  }
  if (isTlsNamed && !isSecure && options.tls !== undefined) {
    throw new RegistryError('invalid', 'registry.etcd.tls: the endpoints say http');
  }
  if (!isKeyPair(tls)) {
    throw new RegistryError('invalid', 'registry.etcd.tls: cert and key go together');
  }
  const format = options.format ?? 'pilotfish';
  const prefix = (options.prefix ?? DEFAULT_PREFIX[format]).replace(/\/+$/, '');
  return { hosts: endpoints.map(({ host }) => host), isSecure, tls, prefix, format, user: userOf(options, env) };
}

function parseEndpoint(text: string, isTlsNamed: boolean): { readonly host: string; readonly isSecure: boolean } {
  const address = parseServerAddress(text);
  if (address === undefined) {
    throw new RegistryError('invalid', 'registry.etcd.endpoints: expected http://host:port or https://host:port');
  }
  const { scheme, host, port = DEFAULT_PORT } = address;
  const isSecure = scheme === undefined ? isTlsNamed : scheme === 'https';
  return { host: `${isIPv6(host) ? `[${host}]` : host}:${port}`, isSecure };
}

function userOf(options: EtcdOptions, env: Readonly<Record<string, string | undefined>>): EtcdUser | undefined {
  const { passwordFile } = options;
  if (options.username === undefined && options.password !== undefined) {
    throw new RegistryError('invalid', 'registry.etcd.password: there is no username');
  }
  const [, envName, envPassword] = /^([^:]*)(?::(.*))?$/s.exec(env['ETCDCTL_USER'] ?? '') ?? [];
  const name = options.username ?? envName;
  if (name === undefined || name === '') {
    if (passwordFile === undefined) return undefined;
    throw new RegistryError('invalid', 'registry.etcd.passwordFile: there is no username');
  }
  if (passwordFile !== undefined) return { name, passwordFile };
  const password = options.password ?? env['ETCDCTL_PASSWORD'] ?? (name === envName ? envPassword : undefined);
  if (password === undefined) throw new RegistryError('invalid', 'registry.etcd.username: there is no password');
  return { name, password };
}

function tlsOf(env: Readonly<Record<string, string | undefined>>): EtcdTlsOptions {
  const { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key } = env;
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}
