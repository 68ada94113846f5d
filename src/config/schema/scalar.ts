// The small words of the configuration file: durations, sizes, addresses, names. The section schemas are built from them.
import { isIP } from 'node:net';
import { z } from 'zod';
import { isHostName } from '../../util/host-name.ts';
import { parseDuration, parseSize } from '../../util/units.ts';

// One parse per start and per reload: zod's compiled parsers would cost more (time, memory, `new Function`) than they save.
z.config({ jitless: true });

/** A host and a TCP port. `host` is an IPv4 or IPv6 address (without brackets) or a name. */
export interface HostPort {
  readonly host: string;
  /** 1..65535; 0 only where a listener may choose its own. */
  readonly port: number;
}

/** Where the admin listener binds. */
export type AdminAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Longest duration anywhere: what a timer of Node can hold is 24.8 days; a day is more than any wait here should last. */
const DAY_MS = 86_400_000;
const MAX_SIZE_BYTES = 1_073_741_824;
/** `sockaddr_un` of Linux, less its NUL; Node binds to a path that is cut off without a word. */
const MAX_SOCKET_BYTES = 107;
/** Control characters, and spaces at the ends, where names go into logs, headers and registries. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]|^\s|\s$/;

/**
 * Text that `read` turns into a value. `expected` completes the sentence "found X, expected …" and is the whole message.
 * `kind` and `range` are shown in the reference page.
 */
export function readText<T>(kind: string, expected: string, read: (text: string) => T | undefined, range?: string) {
  return z
    .string({ error: expected })
    .transform((text, context): T => {
      const value = read(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: expected, input: text });
      return z.NEVER;
    })
    .meta({ 'x-type': kind, ...(range === undefined ? {} : { 'x-range': range }) });
}

/** `250ms`, `5s`, `1m`, `1h` → milliseconds within `minMs`..`maxMs` (1 ms..24 h unless said). */
export function duration(range: { readonly minMs?: number; readonly maxMs?: number } = {}) {
  const { minMs = 1, maxMs = DAY_MS } = range;
  const limits = `${durationText(minMs)} to ${durationText(maxMs)}`;
  const expected = `a duration such as 250ms, 5s or 1m, from ${limits}`;
  return readText('duration', expected, (text) => within(parseDuration(text), minMs, maxMs), limits);
}

/** `512B`, `16KiB`, `1MiB` → bytes within `minBytes`..`maxBytes` (1 B..1 GiB unless said). */
export function size(range: { readonly minBytes?: number; readonly maxBytes?: number } = {}) {
  const { minBytes = 1, maxBytes = MAX_SIZE_BYTES } = range;
  const limits = `${sizeText(minBytes)} to ${sizeText(maxBytes)}`;
  const expected = `a size such as 512B or 16KiB, from ${limits}`;
  return readText('size', expected, (text) => within(parseSize(text), minBytes, maxBytes), limits);
}

/** A whole number within both bounds. */
export function integer(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** A number, fractions allowed, within both bounds. */
export function number(min: number, max: number) {
  const error = `a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
}

/** `true` or `false`. */
export function flag() {
  return z.boolean({ error: 'true or false' });
}

/**
 * Well-formed text of 1..`maxBytes` UTF-8 bytes without control characters or spaces at the ends: what a registry takes as a
 * name. `what` completes "expected …".
 */
export function text(what: string, maxBytes = 255) {
  const error = `${what} (1 to ${maxBytes} bytes, no control characters)`;
  return z.string({ error }).refine((value) => isName(value, maxBytes), { error });
}

/** A value of metadata. YAML reads an unquoted `2.10` as the number 2.1, so that only text is taken. */
export function metadataValue() {
  return z.string({ error: 'text (quote what looks like a number)' }).max(16_384);
}

/** A path in the file system; relative ones are relative to the working directory. */
export function path(what: string) {
  return text(`the path of ${what}`, 4096).meta({ 'x-type': 'path' });
}

/** `host:port` of something to connect to. */
export function endpoint(what: string) {
  return readText('host:port', `${what} as host:port, such as 127.0.0.1:3000 or [::1]:3000`, (value) =>
    parseHostPort(value, 1),
  );
}

/** `host:port` to bind; port 0 means any free one. */
export function listenAddress() {
  const expected = 'host:port to listen on, such as 127.0.0.1:15001 (port 0: any free one)';
  return readText('host:port', expected, (value) => parseHostPort(value, 0));
}

/** `host:port` or `unix:/path` to bind or to call. */
export function adminAddress() {
  const expected =
    "host:port or unix:/path to listen on (a socket's path has at most 107 bytes), such as 127.0.0.1:15000 (port 0: any free one)";
  return readText('host:port or unix:/path', expected, parseAdminAddress);
}

/** `10.0.0.0/8`, `fd00::/8`, or a single address. */
export function cidr() {
  return readText('CIDR', 'a block of addresses such as 10.0.0.0/8 or fd00::/8, or one address', (value) =>
    isCidr(value) ? value : undefined,
  );
}

function isName(value: string, maxBytes: number): boolean {
  const bytes = Buffer.byteLength(value);
  return bytes > 0 && bytes <= maxBytes && !UNPRINTABLE.test(value) && !/\p{Surrogate}/u.test(value);
}

/** `host:port` and `[v6]:port` → both parts; undefined where it is neither, or the port is below `minPort`. */
export function parseHostPort(value: string, minPort: number): HostPort | undefined {
  const match = /^(?:\[([^\]]{1,64})\]|([^:[\]]{1,253})):(\d{1,5})$/.exec(value);
  if (match === null) return undefined;
  const [, bracketed, plain, digits] = match;
  const host = bracketed ?? plain ?? '';
  const port = within(Number(digits), minPort, 65_535);
  const isHost = bracketed !== undefined ? isIP(bracketed) === 6 : isHostName(host);
  return port === undefined || !isHost ? undefined : { host, port };
}

/** `host:port` (port 0 allowed) or `unix:/absolute/path`; undefined where it is neither. */
export function parseAdminAddress(value: string): AdminAddress | undefined {
  if (value.startsWith('unix:')) {
    const socket = value.slice('unix:'.length);
    const isPath = socket.startsWith('/') && !UNPRINTABLE.test(socket) && Buffer.byteLength(socket) <= MAX_SOCKET_BYTES;
    return isPath ? { kind: 'unix', path: socket } : undefined;
  }
  const address = parseHostPort(value, 0);
  return address === undefined ? undefined : { kind: 'tcp', ...address };
}

/** `host:port`, with brackets where the host is IPv6. */
export function hostPortText(address: HostPort): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** True for addresses and names that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return (
    (isIP(host) === 4 && host.startsWith('127.')) ||
    host === '::1' ||
    host.toLowerCase() === 'localhost' ||
    /^::ffff:127\./i.test(host)
  );
}

/** Milliseconds → the shortest text that `parseDuration` reads back to the same value. */
export function durationText(ms: number): string {
  for (const [unit, factor] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const) {
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return ms === 0 ? '0' : `${ms}ms`;
}

/** Bytes → the shortest text that `parseSize` reads back to the same value. */
export function sizeText(bytes: number): string {
  for (const [unit, factor] of [
    ['GiB', 1_073_741_824],
    ['MiB', 1_048_576],
    ['KiB', 1_024],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

function isCidr(value: string): boolean {
  const match = /^([0-9A-Fa-f.:]{2,45})(?:\/(\d{1,3}))?$/.exec(value);
  const version = isIP(match?.[1] ?? '');
  if (version === 0) return false;
  const bits = version === 4 ? 32 : 128;
  return within(match?.[2] === undefined ? bits : Number(match[2]), 0, bits) !== undefined;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
