// Where a registry's server is, as text: read here alone, by the configuration that judges it and by the adapter that goes there.
import { isIP } from 'node:net';
import { isHostName } from './host-name.ts';

/** What an address says; what it leaves open is the registry's to fill in. */
export interface ServerAddress {
  readonly scheme: 'http' | 'https' | undefined;
  /** IPv4 or IPv6 address (without brackets) or a name, with or without a dot at its end. */
  readonly host: string;
  /** 1..65535. */
  readonly port: number | undefined;
}

/** The parts that have a meaning; whatever else a URL could hold (user, path, query, fragment) has none. */
const ADDRESS = /^(?:(https?):\/\/)?(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?\/?$/i;

/** Where the last label looks like a number, WHATWG URLs and resolvers read an IPv4 address or nothing. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0[xX][0-9A-Fa-f]*)$/;

/** `host`, `host:port`, or either as an http or https URL; undefined for anything else. */
export function parseServerAddress(text: string): ServerAddress | undefined {
  const [, scheme, bracketed, plain = '', digits] = ADDRESS.exec(text) ?? [];
  const isHost = bracketed === undefined ? isServerName(plain) : isIP(bracketed) === 6;
  const port = digits === undefined ? undefined : Number(digits);
  if (!isHost || (port !== undefined && (port < 1 || port > 65_535))) return undefined;
  return { scheme: scheme?.toLowerCase() as ServerAddress['scheme'], host: bracketed ?? plain, port };
}

/** `unix:///path` → the path; undefined for anything else. */
export function parseSocketAddress(text: string): string | undefined {
  return /^unix:\/\/(\/[^\u0000-\u001f]+)$/.exec(text)?.[1];
}

/** What a variable with addresses says: several between commas, blanks around and between them without meaning. */
export function addressesOf(variable: string | undefined): string[] {
  return (variable ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

function isServerName(text: string): boolean {
  if (isIP(text) === 4) return true;
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  return isHostName(name) && !ENDS_IN_NUMBER.test(name);
}
