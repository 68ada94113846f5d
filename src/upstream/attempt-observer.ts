// The seam between an attempt and whoever judges the upstream as a whole by it (resilience/breaker.ts).
import type { ProxyError } from '../errors.ts';
import type { Outcome } from './outcome.ts';

/**
 * Told of the first attempt of every request once, when both directions have ended, failed or been abandoned. Further ones say
 * nothing new of the upstream: they are made because the first has failed.
 */
export interface AttemptObserver {
  /**
   * @param status of its answer; 0 where none came.
   * @param failure that ended it, before or within its answer.
   * @param startedAtMs monotonic: when its endpoint was picked.
   * @param nowMs monotonic; for an answer, when its head was complete.
   */
  onAttemptEnd(
    outcome: Outcome,
    status: number,
    failure: ProxyError | undefined,
    startedAtMs: number,
    nowMs: number,
  ): void;
}
