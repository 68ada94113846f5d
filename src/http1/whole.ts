// HOT PATH. A small message whose content is complete, as one text for one write.
import type { Piece, WholeBody } from '../http/body.ts';
import { giveBack, isOnLoan, part } from '../http/lease.ts';
import { latin1 } from './latin1.ts';
import { FRAMING_CHUNKED, lastChunk } from './serialize.ts';

/** Complete content up to here goes out in one write with its head. */
export const MAX_JOINED_BYTES = 16_384;

/** `chunk[from, to)` to be kept. What would have to be copied becomes text where it is the whole content: it will be joined. */
export function pieceOf(chunk: Buffer, from: number, to: number, isWhole: boolean): Piece {
  return isWhole && isOnLoan(chunk) ? latin1(chunk, from, to) : part(chunk, from, to);
}

/** Head and content; undefined where the content has another length than `framing` announces. */
export function joinWhole(head: string, whole: WholeBody, framing: number): string | undefined {
  let text = head;
  let bytes = 0;
  for (const piece of whole.content) {
    bytes += piece.length;
    const content = typeof piece === 'string' ? piece : latin1(piece);
    text += framing === FRAMING_CHUNKED ? `${piece.length.toString(16)}\r\n${content}\r\n` : content;
    if (typeof piece !== 'string') giveBack(piece);
  }
  if (framing >= 0 && bytes !== framing) return undefined;
  return framing === FRAMING_CHUNKED ? text + lastChunk(whole.trailers) : text;
}
