// HOT PATH. All layers that a request passes, outermost first, for each direction: the whole order on one screen.
//
//   edge     rescue         whatever is thrown below becomes an answer          (ServingContext.rescue, called by the codec)
//            access log     one line when the answer has ended                  (completion hook, runs once)
//            metrics        counted when the answer has ended                   (completion hook, runs once)
//            request id     kept or made
//            own fields     x-pilotfish-*: taken off (outbound), checked (inbound)
//            forwarded      who called; what untrusted peers say is replaced
//            via            refuses a request that comes back
//   route    outbound name  the service that is meant → its upstream
//   upstream fallback → affinity → retry(+budget) → response buffer → hedging → breaker → limit → deadlines → picker, claim →
//                         exchange                                            (resilience/call.ts, upstream/)
//
// A layer that only looks at the request is a call, one that only looks at the end is a hook; neither costs a promise.
import { ProxyError } from '../errors.ts';
import { removeOwnFields } from '../http/accept.ts';
import type { Handler, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { forwarded } from '../middleware/forwarded.ts';
import type { TrustedPeers } from '../middleware/forwarded.ts';
import { checkAddressee } from '../middleware/own-fields.ts';
import { requestId } from '../middleware/request-id.ts';
import { Via } from '../middleware/via.ts';
import type { OutboundNames } from '../router/outbound-name.ts';
import type { Clock } from '../util/clock.ts';

export interface OutboundParts {
  readonly clock: Clock;
  readonly isTrusted: TrustedPeers;
  readonly names: OutboundNames;
  /** Sends to a service by name. */
  toService(name: string, request: ProxyRequest): Promise<ProxyResponse>;
  /** Sends to a host outside that configuration lets through. */
  toOutside(host: string, port: number, request: ProxyRequest): Promise<ProxyResponse>;
}

/** What an app sends: to the service that it names. */
export function outboundStack(parts: OutboundParts): Handler {
  const { clock, isTrusted, names } = parts;
  const via = new Via();
  return (request) => {
    try {
      requestId(request, clock);
      removeOwnFields(request.headers);
      forwarded(request, isTrusted);
      via.mark(request);
      const name = names.resolve(request.authority);
      switch (name.kind) {
        case 'service':
          return parts.toService(name.name, request);
        case 'outside':
          return parts.toOutside(name.host, name.port, request);
        case 'refused':
          throw new ProxyError('PF_NO_ROUTE', name.reason);
      }
    } catch (error) {
      return rejected(error);
    }
  };
}

export interface InboundParts {
  readonly clock: Clock;
  readonly isTrusted: TrustedPeers;
  /** Name of the own service. */
  readonly service: string;
  /** True while the sidecar drains: what comes from another sidecar is better off elsewhere. */
  isDraining(): boolean;
  readonly toApp: Handler;
}

/** What others send: to our own app. */
export function inboundStack(parts: InboundParts): Handler {
  const { clock, isTrusted, service, toApp } = parts;
  const via = new Via();
  return (request) => {
    try {
      request.upstream = service;
      requestId(request, clock);
      const isFromSidecar = checkAddressee(request, service);
      if (isFromSidecar && parts.isDraining()) {
        throw new ProxyError('PF_DRAINING', 'this copy is stopping and takes nothing new');
      }
      forwarded(request, isTrusted);
      via.mark(request);
      return toApp(request);
    } catch (error) {
      return rejected(error);
    }
  };
}

function rejected(error: unknown): Promise<never> {
  return Promise.reject(error instanceof Error ? error : new Error('no error was thrown', { cause: error }));
}
