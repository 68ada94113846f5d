// Which hosts a service can have: records are data from outside, and must not lead traffic to where none can be.
import { BlockList, isIP } from 'node:net';

/** What a host is, as far as its text tells; names are resolved later, by the connect. */
export type HostClass = 'ordinary' | 'loopback' | 'refused';

/** RFC 1123 labels, underscores let through since container names have them; at most 253 characters in all. */
const NAME =
  /^(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$/;

/** A name whose last label looks like a number is read as an IPv4 address by resolvers (WHATWG URL, "ends in a number"). */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0[xX][0-9A-Fa-f]*)\.?$/;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Unspecified, link-local, multicast, broadcast and the IPv4-compatible rest of ::/96. */
const refused = new BlockList();
refused.addSubnet('0.0.0.0', 8, 'ipv4');
refused.addSubnet('169.254.0.0', 16, 'ipv4');
refused.addSubnet('224.0.0.0', 4, 'ipv4');
refused.addAddress('255.255.255.255', 'ipv4');
refused.addSubnet('::', 96, 'ipv6');
refused.addSubnet('fe80::', 10, 'ipv6');
refused.addSubnet('ff00::', 8, 'ipv6');

/** Classifies an IP literal (without brackets) or a host name; anything else is `refused`. */
export function hostClass(host: string): HostClass {
  const version = isIP(host);
  if (version === 0) {
    if (!NAME.test(host) || ENDS_IN_NUMBER.test(host)) return 'refused';
    return /(?:^|\.)localhost\.?$/i.test(host) ? 'loopback' : 'ordinary';
  }
  if (version === 4) return classOfIPv4(host);
  if (host.includes('%')) return 'refused'; // A zone index: only link-local addresses have one.
  if (loopback.check(host, 'ipv6')) return 'loopback';
  return refused.check(host, 'ipv6') ? 'refused' : 'ordinary';
}

/** As the lists above, which it takes 10 µs to ask: each address of a service is looked at whenever one of them changes. */
function classOfIPv4(host: string): HostClass {
  const first = Number(host.slice(0, host.indexOf('.')));
  if (first === 127) return 'loopback';
  const isMulticast = first >= 224 && first < 240;
  const isRefused = first === 0 || isMulticast || host.startsWith('169.254.') || host === '255.255.255.255';
  return isRefused ? 'refused' : 'ordinary';
}
