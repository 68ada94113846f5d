// Bounds every call to a registry: it ends by its answer, by the clock, or by whoever gave it up.
import type { Clock } from '../util/clock.ts';
import { asRegistryError, RegistryError } from './types.ts';

/** Runs `call` with a signal that aborts after `timeoutMs` or with any of `parents`; settles then even if the call does not. */
export async function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  parents: readonly AbortSignal[],
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = clock.setTimer(timeoutMs, () =>
    controller.abort(new RegistryError('timeout', `no answer within ${Math.round(timeoutMs)} ms`)),
  );
  // Not AbortSignal.any: what it ties to a signal that lives as long as the registry is kept as long.
  const onAbort = (): void => controller.abort(parents.find((parent) => parent.aborted)?.reason);
  for (const parent of parents) parent.addEventListener('abort', onAbort, { once: true });
  if (parents.some((parent) => parent.aborted)) onAbort();
  try {
    return await abortable(call(controller.signal), controller.signal);
  } finally {
    timer.cancel();
    for (const parent of parents) parent.removeEventListener('abort', onAbort);
  }
}

/** The promise, or the signal's reason if it aborts first; what the promise does later is ignored. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(asRegistryError(signal.reason, 'aborted'));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
