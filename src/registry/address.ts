// Whether a record leads back to one of our own listeners: records are data from outside.
import { BlockList, isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { hostClass } from '../util/host-class.ts';

/** A host and a port, as one of our listeners has them. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** True where a connection to `host:port` would reach one of `own`: also by another loopback or interface address. */
export function reachesOwn(host: string, port: number, own: readonly HostPort[]): boolean {
  for (const address of own) {
    if (address.port !== port) continue;
    if (sameHost(address.host, host)) return true;
    const isLoopback = hostClass(host) === 'loopback';
    if (isLoopback && hostClass(address.host) === 'loopback') return true;
    if (isUnspecified(address.host) && (isLoopback || isInterface(host))) return true;
  }
  return false;
}

function sameHost(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true;
  const versionA = isIP(a);
  if (versionA === 0 || isIP(b) === 0) return false;
  const list = new BlockList(); // Compares addresses, not spellings; IPv4-mapped ones included.
  list.addAddress(a, versionA === 4 ? 'ipv4' : 'ipv6');
  return list.check(b, isIPv4(b) ? 'ipv4' : 'ipv6');
}

function isUnspecified(host: string): boolean {
  return host === '' || host === '0.0.0.0' || sameHost(host, '::');
}

function isInterface(host: string): boolean {
  for (const addresses of Object.values(networkInterfaces())) {
    if (addresses?.some((address) => sameHost(address.address, host)) === true) return true;
  }
  return false;
}
