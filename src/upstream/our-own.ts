// Failures that lie with this process and its machine, not with whoever was asked.
import { ProxyError } from '../errors.ts';

/** Descriptors, buffers or memory are used up. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
/** So that a circle of causes ends. */
const MAX_DEPTH = 8;

/** True where an error, or one that led to it, says nothing of the other side: our own limit was reached. */
export function isOurOwn(error: unknown, depth = 0): boolean {
  if (!(error instanceof Error) || depth >= MAX_DEPTH) return false;
  if (error instanceof ProxyError && error.code === 'PF_OVERFLOW') return true;
  if (EXHAUSTED.has((error as NodeJS.ErrnoException).code)) return true;
  // One for each address of a name.
  if (error instanceof AggregateError && error.errors.some((one) => isOurOwn(one, depth + 1))) return true;
  return isOurOwn(error.cause, depth + 1);
}
