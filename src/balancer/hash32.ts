// HOT PATH. The hash behind ring-hash and maglev: the same in every sidecar, so that all of them send a key to the same endpoint.

/** MurmurHash3_x86_32 (A. Appleby) of the text in UTF-16, little-endian. 0..2^32−1. */
export function hash32(text: string, seed = 0): number {
  let hash = seed;
  const even = text.length & ~1;
  for (let i = 0; i < even; i += 2) {
    hash ^= scramble(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  if (even < text.length) hash ^= scramble(text.charCodeAt(even));
  return finalise(hash ^ (2 * text.length));
}

/** Spreads every bit over all of them (MurmurHash3's `fmix32`); a bijection. 0..2^32−1. */
export function finalise(value: number): number {
  let hash = value;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
