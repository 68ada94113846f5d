// Content that is kept for a while: bounded by its bytes, however small the pieces are in which it came.
import { giveBack, isLeased } from '../http/lease.ts';

/** Small pieces are copied together into pieces of this size: a Buffer of one byte costs a hundred. */
const PIECE_BYTES = 4_096;

/** A chunk that is most of the buffer that it pins, and stays what it is, needs no copy. */
export function isWorthKeeping(chunk: Buffer): boolean {
  return chunk.buffer.byteLength <= 2 * chunk.length && !isLeased(chunk);
}

/** In the order in which it came. Needs at most twice its bytes, and `PIECE_BYTES`. */
export class HeldContent {
  bytes = 0;
  private pieces: Buffer[] = [];
  private tail: Buffer | undefined = undefined;
  private tailBytes = 0;

  /** Takes the chunk: it is copied and given back, or kept. */
  add(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (chunk.length >= PIECE_BYTES && chunk.buffer.byteLength <= 2 * chunk.length) {
      this.closeTail();
      this.pieces.push(chunk);
      return;
    }
    if (this.tail === undefined || this.tail.length - this.tailBytes < chunk.length) {
      this.closeTail();
      this.tail = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, chunk.length));
    }
    this.tailBytes += chunk.copy(this.tail, this.tailBytes);
    giveBack(chunk);
  }

  /** All of it, which is not held any more. */
  takeAll(): Buffer[] {
    this.closeTail();
    const { pieces } = this;
    this.pieces = [];
    this.bytes = 0;
    return pieces;
  }

  private closeTail(): void {
    if (this.tail !== undefined) this.pieces.push(this.tail.subarray(0, this.tailBytes));
    this.tail = undefined;
    this.tailBytes = 0;
  }
}
