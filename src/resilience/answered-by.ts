// Which attempt of a request an answer is of: with hedging it need not be the last one.
import type { Attempt, ProxyRequest, ProxyResponse } from '../http/message.ts';

/** Undefined where it is of none: an answer of our own. */
export function answeredBy({ attempts }: ProxyRequest, { status }: ProxyResponse): Attempt | undefined {
  for (let n = attempts.length - 1; n >= 0; n--) if (attempts[n]?.result === status) return attempts[n];
  return undefined;
}
