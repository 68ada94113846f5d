// Who may talk to the admin listener: not a web page, whatever name it has given to our address (DNS rebinding).
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { problem, type Reply } from './reply.ts';

/** Refuses what a browser sends on behalf of a page, and every Host that does not name this listener; undefined: let it in. */
export function refusal(headers: IncomingHttpHeaders, boundHost: string | undefined): Reply | undefined {
  if (headers.origin !== undefined || isCrossSite(headers['sec-fetch-site'])) {
    return problem(403, 'Forbidden', 'the admin listener takes no requests from web pages');
  }
  // On a Unix socket the file system decides; curl sends `localhost`, others what they like.
  if (boundHost === undefined) return undefined;
  const host = hostName(headers.host ?? '');
  if (host !== undefined && (isLoopbackName(host) || host === boundHost.toLowerCase())) return undefined;
  return problem(421, 'Misdirected request', 'the Host of an admin request names a loopback address or the bound one');
}

/** Sent by browsers only: `none` is a person who typed the address. */
function isCrossSite(site: string | string[] | undefined): boolean {
  return site !== undefined && site !== 'none';
}

/** Without port and brackets, lower case; undefined where it is none. */
function hostName(authority: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]@/]+))(?::\d{1,5})?$/i.exec(authority);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
