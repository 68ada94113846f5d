// HOT PATH. A small message whose content is complete, as one text for one write.
import type { Headers } from '../http/headers.ts';
import { giveBack } from '../http/lease.ts';
import { latin1 } from './latin1.ts';
import { FRAMING_CHUNKED, lastChunk } from './serialize.ts';

/** Complete content up to here goes out in one write with its head. */
export const MAX_JOINED_BYTES = 16_384;

/** Head and content; undefined where the content has another length than `framing` announces. */
export function joinWhole(
  head: string,
  whole: { readonly content: readonly Buffer[]; readonly trailers: Headers | undefined },
  framing: number,
): string | undefined {
  let text = head;
  let bytes = 0;
  for (const chunk of whole.content) {
    bytes += chunk.length;
    text += framing === FRAMING_CHUNKED ? `${chunk.length.toString(16)}\r\n${latin1(chunk)}\r\n` : latin1(chunk);
    giveBack(chunk);
  }
  if (framing >= 0 && bytes !== framing) return undefined;
  return framing === FRAMING_CHUNKED ? text + lastChunk(whole.trailers) : text;
}
