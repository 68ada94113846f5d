// HOT PATH. The innermost handler: picks an endpoint, takes a connection of its pool, sends the request, gives the answer back.
import type { Handler, ProxyResponse } from '../http/message.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';
import type { AttemptObserver } from './attempt-observer.ts';
import { ForwardAttempt } from './forward-attempt.ts';
import { Forwarder, type ForwardTarget } from './forward-target.ts';

/**
 * One attempt for each call. Rejects with a ProxyError that states `requestSent` and `endpoint`; an answer by which a
 * registered sidecar says that nothing was executed is such an error, too, with `requestSent: false`. The last of the
 * attempts that `retry` may make gets a connection on which nothing was sent yet. Where a limit of the upstream is reached,
 * no attempt is made.
 * @param to the service that is meant, for `x-pilotfish-to`; undefined: the other side is told nothing of what sidecars tell
 * each other.
 * @param observer is told how each attempt ended.
 */
export function forward(
  target: ForwardTarget,
  to: string | undefined,
  clock: Clock,
  deadlines: DeadlineLists,
  observer?: AttemptObserver,
): Handler {
  return forwardBy(new Forwarder(target, to, clock, deadlines, observer));
}

/** The same, with what all attempts share made by the caller. */
export function forwardBy(forwarder: Forwarder): Handler {
  const { load } = forwarder.target;
  return (request) => {
    const overflow = load.refusal(request.attempts.length > request.firstAttempt);
    if (overflow !== undefined) return Promise.reject(overflow);
    return new Promise<ProxyResponse>((resolve, reject) => {
      new ForwardAttempt(forwarder, request, resolve, reject).pick();
    });
  };
}
