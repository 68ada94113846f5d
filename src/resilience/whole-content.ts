// A request's content for attempts that run at the same time: only where it is here in full.
import { Body, type WholeBody } from '../http/body.ts';
import { isLeased } from '../http/lease.ts';
import { MAX_REPLAY_BYTES } from './replay-body.ts';

/** Content that several attempts can have at the same time. */
export interface WholeContent extends WholeBody {
  readonly length: number | undefined;
}

/** Takes it out of `body`; undefined, and untouched, where it is not here in full, or too long to be held. */
export function wholeOf(body: Body): WholeContent | undefined {
  const whole = body.takeWhole(MAX_REPLAY_BYTES);
  if (whole === undefined) return undefined;
  // A leased buffer goes back when the first of its readers is done.
  const content = whole.content.map((piece) =>
    typeof piece !== 'string' && isLeased(piece) ? Buffer.from(piece) : piece,
  );
  return { content, trailers: whole.trailers, length: body.length };
}

/** The content for one more attempt. */
export function bodyOf({ content, trailers, length }: WholeContent): Body {
  const body = new Body(undefined, length);
  for (const piece of content) body.push(piece);
  body.end(trailers?.clone());
  return body;
}
