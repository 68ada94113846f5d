// HOT PATH. Says who the request came from, to the next hop, and believes of earlier hops only what trusted peers say.
import { BlockList, isIP } from 'node:net';
import { FIELD, FIELD_KIND, KIND_FORWARDED } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';

const REMEMBERED_PEERS = 1_024;

/** Is this address in one of the networks? Answers are remembered, since the same few peers ask all the time. */
export type TrustedPeers = (peer: string) => boolean;

/** @param networks CIDR texts (`10.0.0.0/8`, `::1/128`) or single addresses, already checked. */
export function trustedPeers(networks: readonly string[]): TrustedPeers {
  if (networks.length === 0) return () => false;
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  const known = new Map<string, boolean>();
  return (peer) => {
    let isTrusted = known.get(peer);
    if (isTrusted === undefined) {
      isTrusted = list.check(peer, isIP(peer) === 6 ? 'ipv6' : 'ipv4');
      if (known.size >= REMEMBERED_PEERS) known.clear();
      known.set(peer, isTrusted);
    }
    return isTrusted;
  };
}

/**
 * Appends the peer to `X-Forwarded-For` and sets `X-Forwarded-Proto` where it is missing. Of a peer that is not trusted,
 * everything that speaks of earlier hops is removed first (`X-Forwarded-*`, `Forwarded`, `X-Real-IP`, client certificates).
 */
export function forwarded(request: ProxyRequest, isTrusted: TrustedPeers): void {
  const { headers } = request;
  const { ids, pairs } = headers;
  let first = -1;
  for (let index = 0; index < ids.length; index++) {
    if (((FIELD_KIND[ids[index] ?? 0] ?? 0) & KIND_FORWARDED) !== 0) {
      first = index;
      break;
    }
  }
  if (first >= 0 && isTrusted(request.peer)) {
    const at = ids.lastIndexOf(FIELD['x-forwarded-for']);
    if (at >= 0) pairs[2 * at + 1] = `${pairs[2 * at + 1] ?? ''}, ${request.peer}`;
    else headers.append('X-Forwarded-For', request.peer, FIELD['x-forwarded-for']);
    if (ids.includes(FIELD['x-forwarded-proto'], first)) return;
  } else {
    if (first >= 0) headers.removeWhere((id) => ((FIELD_KIND[id] ?? 0) & KIND_FORWARDED) !== 0);
    headers.append('X-Forwarded-For', request.peer, FIELD['x-forwarded-for']);
  }
  headers.append('X-Forwarded-Proto', request.scheme, FIELD['x-forwarded-proto']);
}
