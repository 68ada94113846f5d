// HOT PATH. Which field a name is: one small integer for every name that the proxy frames by, sets, strips or looks at.

/** Bits of `FIELD_KIND`. */
export const KIND_HOP = 1; // hop-by-hop: never passed on as it came (RFC 9110 §7.6.1)
export const KIND_FRAMING = 2; // decides where a message ends or whom it is for
export const KIND_FORWARDED = 4; // tells of hops before us: believed from trusted peers only
export const KIND_OWN = 8; // x-pilotfish-*: between sidecars only
export const KIND_NO_TRAILER = 16; // may not stand in a trailer section (RFC 9110 §6.5.1)
export const KIND_GUARDED = 32; // set or believed by the proxy itself: a look-alike with `_` is dropped

export const KIND_ADDED = 64; // added by every sidecar on the way

/** Names of these kinds have look-alikes (FIELD_ALIAS): those that we frame by, set or strip. */
const ALIASED = KIND_HOP | KIND_FRAMING | KIND_FORWARDED | KIND_OWN | KIND_GUARDED;

const K = {
  hop: KIND_HOP,
  framing: KIND_FRAMING,
  forwarded: KIND_FORWARDED,
  own: KIND_OWN,
  noTrailer: KIND_NO_TRAILER,
  guarded: KIND_GUARDED,
  added: KIND_ADDED,
};

const TABLE = [
  ['connection', K.hop | K.noTrailer],
  ['keep-alive', K.hop | K.noTrailer],
  ['proxy-connection', K.hop | K.noTrailer],
  ['te', K.hop | K.noTrailer],
  ['transfer-encoding', K.hop | K.framing | K.noTrailer],
  ['upgrade', K.hop | K.noTrailer],
  ['http2-settings', K.hop | K.noTrailer],
  ['proxy-authorization', K.hop | K.noTrailer],
  ['proxy-authenticate', K.hop | K.noTrailer],
  ['proxy-authentication-info', K.hop | K.noTrailer],
  ['host', K.framing | K.noTrailer],
  ['content-length', K.framing | K.noTrailer],
  ['expect', K.guarded | K.noTrailer],
  ['max-forwards', K.guarded | K.noTrailer],
  ['trailer', K.guarded | K.noTrailer],
  ['content-type', K.noTrailer],
  ['content-encoding', K.noTrailer],
  ['content-range', K.noTrailer],
  ['range', K.noTrailer],
  ['authorization', K.guarded | K.noTrailer],
  ['cookie', K.noTrailer],
  ['set-cookie', K.noTrailer],
  ['cache-control', K.noTrailer],
  ['location', K.noTrailer],
  ['retry-after', K.noTrailer],
  ['date', K.noTrailer],
  ['vary', K.noTrailer],
  ['age', K.noTrailer],
  ['expires', K.noTrailer],
  ['warning', K.noTrailer],
  ['pragma', K.noTrailer],
  ['www-authenticate', K.noTrailer],
  ['if-match', K.noTrailer],
  ['if-none-match', K.noTrailer],
  ['if-modified-since', K.noTrailer],
  ['if-unmodified-since', K.noTrailer],
  ['if-range', K.noTrailer],
  ['via', K.guarded | K.added | K.noTrailer],
  ['server', 0],
  ['user-agent', 0],
  ['accept', 0],
  ['sec-websocket-key', K.guarded | K.noTrailer],
  ['sec-websocket-version', K.guarded | K.noTrailer],
  ['sec-websocket-accept', K.noTrailer],
  ['x-request-id', K.guarded | K.added | K.noTrailer],
  ['traceparent', K.guarded | K.noTrailer],
  ['tracestate', K.guarded | K.noTrailer],
  ['forwarded', K.forwarded | K.noTrailer],
  ['x-real-ip', K.forwarded | K.noTrailer],
  ['x-forwarded-for', K.forwarded | K.added | K.noTrailer],
  ['x-forwarded-proto', K.forwarded | K.added | K.noTrailer],
  ['x-forwarded-host', K.forwarded | K.noTrailer],
  ['x-forwarded-port', K.forwarded | K.noTrailer],
  ['x-forwarded-client-cert', K.forwarded | K.noTrailer],
  ['x-forwarded-*', K.forwarded | K.noTrailer],
  ['x-pilotfish-to', K.own | K.added | K.noTrailer],
  ['x-pilotfish-code', K.own | K.noTrailer],
  ['x-pilotfish-*', K.own | K.noTrailer],
  ['grpc-status', 0],
  ['grpc-message', 0],
  ['idempotency-key', K.guarded | K.noTrailer],
  // Side by side: `call-fields.ts` looks for the range.
  ['x-request-attempt', K.guarded | K.added | K.noTrailer],
  ['x-request-timeout-ms', K.guarded | K.added | K.noTrailer],
  ['grpc-timeout', K.guarded | K.added | K.noTrailer],
] as const;

type FieldName = (typeof TABLE)[number][0];

/** How many fields a sidecar adds to a request at most. */
export const ADDED_FIELDS = TABLE.filter(([, kind]) => (kind & KIND_ADDED) !== 0).length;

/** `FIELD.host`, `FIELD['content-length']`, …: the id of each known name, ≥ 1. `x-forwarded-*` and `x-pilotfish-*` stand for the rest of their family. */
export const FIELD = Object.fromEntries(TABLE.map(([name], index) => [name, index + 1])) as Readonly<
  Record<FieldName, number>
>;

/** Any other name. */
export const FIELD_OTHER = 0;
/** A name that only looks like one we frame by, set or strip, once `_` is read as `-`: some servers read it so, hence it is dropped. */
export const FIELD_ALIAS = TABLE.length + 1;

/** Kind bits by id. */
export const FIELD_KIND: Uint8Array = Uint8Array.from([0, ...TABLE.map(([, kind]) => kind), 0]);

/** For each byte: 0 where it may not stand in a token (RFC 9110 §5.6.2), else its lower case, with `_` read as `-`. */
export const TOKEN: Uint8Array = makeTokenTable();

const SLOTS = 1024;
const slotNames: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);
/** The same as most write them: `Content-Type`. */
const slotTitles: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);
const slotIds = new Uint8Array(SLOTS);
for (const [name] of TABLE) {
  if (name.endsWith('*')) continue;
  const slot = hashOf(name) & (SLOTS - 1);
  if (slotNames[slot] !== undefined)
    throw new Error(`field names ${name} and ${slotNames[slot] ?? ''} share a slot: change the hash`);
  slotNames[slot] = name;
  slotTitles[slot] = name.replace(/(?<![^-])[a-z]/g, (letter) => letter.toUpperCase());
  slotIds[slot] = FIELD[name];
}

/** Mixes one normalised byte (`TOKEN[code]`) into a hash; begin with 0. */
export function mixFieldHash(hash: number, normalised: number): number {
  return (Math.imul(hash, 23) + normalised) | 0;
}

/**
 * Id of a name whose bytes are all token characters and whose hash is `hash` (all bytes mixed in order).
 * FIELD_OTHER for an unknown name, FIELD_ALIAS for a known one spelt with `_`.
 */
export function fieldIdOf(name: string, hash: number): number {
  const slot = finish(hash) & (SLOTS - 1);
  if (name === slotTitles[slot]) return slotIds[slot] as number;
  const known = slotNames[slot];
  if (known?.length === name.length) {
    const spelling = compare(name, known);
    if (spelling === 1) return slotIds[slot] ?? FIELD_OTHER;
    if (spelling === 2) return ((FIELD_KIND[slotIds[slot] ?? 0] ?? 0) & ALIASED) === 0 ? FIELD_OTHER : FIELD_ALIAS;
  }
  // The two families are rare and long: looked at only behind an `x`.
  if (name.length > 12 && (name.charCodeAt(0) | 0x20) === 0x78) {
    const family = compare(name, 'x-forwarded-') || compare(name, 'x-pilotfish-');
    if (family === 2) return FIELD_ALIAS;
    if (family === 1) return (name.charCodeAt(2) | 0x20) === 0x66 ? FIELD['x-forwarded-*'] : FIELD['x-pilotfish-*'];
  }
  return FIELD_OTHER;
}

/** Id of a whole name, in any case; for everything off the parser's loop. */
export function fieldId(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = mixFieldHash(hash, TOKEN[name.charCodeAt(i)] ?? 0);
  return fieldIdOf(name, hash);
}

/** 0: `name` differs from `known` (lower case) within its length; 1: the same but for case; 2: the same once `_` is read as `-`. */
function compare(name: string, known: string): 0 | 1 | 2 {
  let spelling: 1 | 2 = 1;
  for (let i = 0; i < known.length; i++) {
    const code = name.charCodeAt(i);
    if (TOKEN[code] !== known.charCodeAt(i)) return 0;
    if (code === 0x5f) spelling = 2;
  }
  return spelling;
}

function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = mixFieldHash(hash, TOKEN[name.charCodeAt(i)] ?? 0);
  return finish(hash);
}

function finish(hash: number): number {
  return hash ^ (hash >>> 11) ^ (hash >>> 21);
}

function makeTokenTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (const code of Buffer.from("!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyz")) table[code] = code;
  for (let code = 0x41; code <= 0x5a; code++) table[code] = code | 0x20;
  table[0x5f] = 0x2d;
  return table;
}
