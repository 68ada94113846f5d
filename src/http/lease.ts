// HOT PATH. Read buffers that are used again: a fresh 64 KiB for each read costs more than all else that large content costs.

/** What a socket reads at most at once. */
export const READ_BYTES = 65_536;
/** Buffers kept for the next reads; more than that are left to the garbage collector. */
const MAX_KEPT = 64;

const LEASE: unique symbol = Symbol('pilotfish.lease');

/** A read buffer that is in use, and by how many parts of it. */
interface Lease {
  readonly buffer: Buffer;
  holders: number;
}

interface Leased extends Buffer {
  [LEASE]?: Lease;
}

const kept: Buffer[] = [];

/** Of chunks that are on loan: their bytes are others' as soon as the call that brought them has returned. */
const LOAN: Lease = { buffer: Buffer.alloc(0), holders: 0 };

/** Marks `chunk` as on loan: `part` copies what is kept of it, and there is nothing to give back. */
export function onLoan(chunk: Buffer): Buffer {
  (chunk as Leased)[LEASE] = LOAN;
  return chunk;
}

/** A buffer of `READ_BYTES` to read into. */
export function readBuffer(): Buffer {
  return kept.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
}

/** The first `bytes` of a read buffer, held by whoever called: it comes back when every part was given back. */
export function lease(buffer: Buffer, bytes: number): Buffer {
  const chunk: Leased = buffer.subarray(0, bytes);
  chunk[LEASE] = { buffer, holders: 1 };
  return chunk;
}

/** `chunk[from, to)`, held by whoever gets it. Of a chunk on loan it is a copy, of one that is neither a plain part. */
export function part(chunk: Buffer, from: number, to: number): Buffer {
  const whole: Leased = chunk;
  const held = whole[LEASE];
  if (held === LOAN) {
    const copy = Buffer.allocUnsafe(to - from);
    chunk.copy(copy, 0, from, to);
    return copy;
  }
  const cut: Leased = from === 0 && to === chunk.length ? whole : chunk.subarray(from, to);
  if (held !== undefined) {
    held.holders++;
    cut[LEASE] = held;
  }
  return cut;
}

/** What is kept of it has to be copied at once. */
export function isOnLoan(chunk: Buffer): boolean {
  return (chunk as Leased)[LEASE] === LOAN;
}

/** The bytes, on lease or on loan, may be overwritten some day: to be kept, they have to be copied. */
export function isLeased(chunk: Buffer): boolean {
  return (chunk as Leased)[LEASE] !== undefined;
}

/**
 * The caller's part is not needed any more, by anybody whom it was passed on to. Once for each `lease` and `part`; who
 * forgets it costs an allocation, who calls it too early corrupts somebody's content.
 */
export function giveBack(chunk: Buffer): void {
  const held = (chunk as Leased)[LEASE];
  if (held === undefined || held === LOAN) return;
  if (--held.holders === 0 && kept.length < MAX_KEPT) kept.push(held.buffer);
}
