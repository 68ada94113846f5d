// What `registry.dns` says → which names are asked, of whom, and what their answers lack. Nothing is asked yet.
import { isIP } from 'node:net';
import { RegistryError, type ServiceKey } from '../../src/registry/types.ts';

/** What `registry.dns` may say. */
export interface DnsOptions {
  /** `address` or `address:port` of the resolvers, in order. Default: those of the system. */
  readonly servers?: readonly string[];
  /**
   * The name to look up, with `{service}`, `{group}` and `{namespace}` filled in: `{service}.{namespace}.svc.cluster.local`,
   * `_http._tcp.{service}.example.com`. Default `{service}`. Neither search domains nor the hosts file are used.
   */
  readonly name?: string;
  /** `a`: A and AAAA records; `srv`: SRV records, and the addresses of their targets. Default: `a` with a port, else `srv`. */
  readonly type?: 'a' | 'srv';
  /** Port of all instances; A and AAAA records have none. */
  readonly port?: number;
}

/** The options, complete and checked. */
export interface DnsSettings {
  /** Empty: those of the system. */
  readonly servers: readonly string[];
  readonly template: string;
  readonly type: 'a' | 'srv';
  /** Without effect for `srv`. */
  readonly port: number;
}

const NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/;
const FIELDS = ['servers', 'name', 'type', 'port'];

/** Throws RegistryError `invalid`. */
export function dnsSettings(options: Readonly<Record<string, unknown>>): DnsSettings {
  const { servers = [], name = '{service}', port } = options;
  const type = options['type'] ?? (port === undefined ? 'srv' : 'a');
  const unknown = Object.keys(options).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) throw invalid(`${unknown}: not an option`);
  if (!Array.isArray(servers) || !servers.every((server) => typeof server === 'string' && isServer(server))) {
    throw invalid('servers: expected IP addresses, with or without a port');
  }
  if (typeof name !== 'string' || !name.includes('{service}') || fill(name, 'x', 'x', 'x') === undefined) {
    throw invalid('name: expected a host name with {service} in it');
  }
  if (type !== 'a' && type !== 'srv') throw invalid('type: expected a or srv');
  if (port !== undefined && !(Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw invalid('port: expected 1 to 65535');
  }
  if (type === 'a' && port === undefined) throw invalid('port: A and AAAA records have none, so it has to be said');
  return { servers: servers as string[], template: name, type, port: port === undefined ? 0 : Number(port) };
}

/** The name to look up for a service. Throws RegistryError `invalid` where it would be none. */
export function dnsName({ template }: DnsSettings, { service, group, namespace }: ServiceKey): string {
  const name = fill(template, service, group, namespace);
  if (name === undefined)
    throw new RegistryError('invalid', `dns: ${JSON.stringify(service)} is no part of a host name`);
  return name;
}

function fill(template: string, service: string, group: string, namespace: string): string | undefined {
  const values: Readonly<Record<string, string>> = { service, group, namespace };
  const name = template.replace(/\{(service|group|namespace)\}/g, (_all, field: string) => values[field] ?? '');
  return NAME.test(name) ? name : undefined;
}

function isServer(text: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  return isIP(text) !== 0 || isIP(match?.[1] ?? match?.[2] ?? '') !== 0;
}

function invalid(what: string): RegistryError {
  return new RegistryError('invalid', `registry.dns.${what}`);
}
