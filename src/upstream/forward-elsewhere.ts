// HOT PATH where hedging is configured. An attempt beside others of the same request: on an endpoint that none of them has, or nowhere.
import type { PickResult } from '../balancer/picker.ts';
import type { Handler, ProxyRequest } from '../http/message.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';
import type { Endpoint } from './endpoint.ts';
import { forwardBy } from './forward.ts';
import { Forwarder, type ForwardTarget } from './forward-target.ts';

/** As `forward`, but rejects with PF_NO_ENDPOINT rather than use an endpoint of `request.attempts`, or one that is not well. */
export function forwardElsewhere(
  target: ForwardTarget,
  to: string | undefined,
  clock: Clock,
  deadlines: DeadlineLists,
): Handler {
  return forwardBy(new ElsewhereForwarder(target, to, clock, deadlines, undefined));
}

const NOWHERE = { kind: 'unavailable', reason: 'there is no other endpoint that is well' } as const;

class ElsewhereForwarder extends Forwarder {
  override pick(request: ProxyRequest): PickResult<Endpoint> {
    const result = super.pick(request);
    if (result.kind !== 'picked') return NOWHERE;
    const { address, isSilent, outlier } = result.endpoint;
    if (isSilent || outlier.isEjected) return NOWHERE;
    for (const { endpoint } of request.attempts) if (endpoint === address) return NOWHERE;
    return result;
  }
}
