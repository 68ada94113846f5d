// Metadata and our own fields in Consul's `Meta`: what fits stands there as it is, the rest in numbered pieces of JSON.

/** Consul's limits: pairs of one service, characters of a key, bytes of a value. */
const MAX_PAIRS = 64;
const MAX_VALUE_BYTES = 512;
const KEY = /^[A-Za-z0-9_-]{1,128}$/;
/** Our own pairs beside metadata, at most (see `codec.ts`). */
const OWN_PAIRS = 10;
/** Begins the names of our own pairs. */
export const OWN = 'pilotfish-';
const PIECE = `${OWN}more-`;

/**
 * Bytes of metadata that always fit, whatever they are: JSON may spell a byte with six, and 64 pairs less our own hold
 * 27 KB; 256 entries add their quotes.
 */
export const MAX_META_BYTES = 4_096;

/** `Meta` with metadata and our own fields (without the prefix) in it. */
export function encodeMeta(
  metadata: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const native = Object.entries(metadata).filter(([key, value]) => isNative(key, value));
  const rest = Object.entries(metadata).filter(([key, value]) => !isNative(key, value));
  let pieces = piecesOf(rest);
  while (native.length > 0 && native.length + pieces.length + OWN_PAIRS > MAX_PAIRS) {
    const moved = native.pop();
    if (moved !== undefined) rest.push(moved);
    pieces = piecesOf(rest);
  }
  const meta = Object.fromEntries(native);
  for (const [name, value] of Object.entries(own)) meta[OWN + name] = value;
  for (const [index, piece] of pieces.entries()) meta[PIECE + String(index)] = piece;
  return meta;
}

/** The metadata and our own fields of a `Meta`; undefined: its pieces do not belong together. */
export function decodeMeta(
  meta: Readonly<Record<string, string>>,
): { readonly metadata: Record<string, string>; readonly own: Record<string, string> } | undefined {
  const metadata: [string, string][] = [];
  const own: [string, string][] = [];
  let json = '';
  for (let index = 0; meta[PIECE + String(index)] !== undefined; index++) json += meta[PIECE + String(index)] ?? '';
  for (const [key, value] of Object.entries(meta)) {
    if (key.startsWith(PIECE)) continue;
    if (key.startsWith(OWN)) own.push([key.slice(OWN.length), value]);
    else metadata.push([key, value]);
  }
  const whole = () => ({ metadata: Object.fromEntries(metadata), own: Object.fromEntries(own) });
  if (json === '') return whole();
  let rest: unknown;
  try {
    rest = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(rest)) return undefined;
  for (const pair of rest as unknown[]) {
    const [key, value] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof key !== 'string' || typeof value !== 'string') return undefined;
    metadata.push([key, value]);
  }
  return whole();
}

function isNative(key: string, value: string): boolean {
  const isReserved = key.startsWith(OWN) || key.startsWith('consul-') || key === '__proto__'; // JSON.parse alone keeps it
  return KEY.test(key) && !isReserved && Buffer.byteLength(value) <= MAX_VALUE_BYTES && !value.includes('\0');
}

/** JSON of the pairs, in pieces that Consul takes, cut between characters. */
function piecesOf(pairs: readonly (readonly [string, string])[]): string[] {
  if (pairs.length === 0) return [];
  const pieces: string[] = [];
  let piece = '';
  let bytes = 0;
  for (const character of JSON.stringify(pairs)) {
    const size = Buffer.byteLength(character);
    if (bytes + size > MAX_VALUE_BYTES) {
      pieces.push(piece);
      piece = '';
      bytes = 0;
    }
    piece += character;
    bytes += size;
  }
  pieces.push(piece);
  return pieces;
}
