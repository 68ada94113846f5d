// HOT PATH where configured. The adaptive limit as a layer, inside the breaker: refuses an attempt before anything is picked.
import { ProxyError } from '../errors.ts';
import type { Handler, Layer, ProxyRequest, ProxyResponse } from '../http/message.ts';
import type { ConcurrencyView } from '../upstream/concurrency-view.ts';
import type { Clock } from '../util/clock.ts';
import { REFUSED, type ConcurrencyLimit } from './concurrency-limit.ts';

/** A request counts until the head of its answer is there: streams and tunnels hold no place. Rejects with PF_OVERFLOW. */
export function concurrencyLimitLayer(limit: ConcurrencyLimit, name: string, clock: Clock): Layer {
  return (next) => (request) => {
    const nowMs = clock.now();
    const member = limit.admit(nowMs);
    if (member === REFUSED) return Promise.reject(outOfPlaces(limit, name));
    return new Admitted(limit, member, request, clock, nowMs).send(next);
  };
}

class Admitted {
  private readonly limit: ConcurrencyLimit;
  private readonly member: number;
  private readonly request: ProxyRequest;
  private readonly clock: Clock;
  private readonly startedAtMs: number;

  constructor(limit: ConcurrencyLimit, member: number, request: ProxyRequest, clock: Clock, startedAtMs: number) {
    this.limit = limit;
    this.member = member;
    this.request = request;
    this.clock = clock;
    this.startedAtMs = startedAtMs;
  }

  async send(next: Handler): Promise<ProxyResponse> {
    const { limit, member, request, clock } = this;
    try {
      const response = await next(request);
      if (response.status < 500 && response.status !== 429)
        limit.answered(member, request.answeredAtMs - this.sinceMs, clock.now());
      else limit.failed(member, clock.now());
      return response;
    } catch (error) {
      const nowMs = clock.now();
      if (isGivenUp(error)) limit.gaveUp(member, nowMs - this.sinceMs, nowMs);
      else limit.failed(member, nowMs);
      throw error;
    }
  }

  /** Monotonic ms from which on an answer could be expected: the upstream is not slow where the client still sends. */
  private get sinceMs(): number {
    return Math.max(this.startedAtMs, this.request.pickedAtMs, this.request.contentAtMs);
  }
}

function isGivenUp(error: unknown): boolean {
  return error instanceof ProxyError && (error.code === 'PF_TIMEOUT' || error.code === 'PF_CLIENT_CLOSED');
}

/** What a request hears that finds no place. */
export function outOfPlaces({ inFlight }: Pick<ConcurrencyView, 'inFlight'>, name: string): ProxyError {
  return new ProxyError(
    'PF_OVERFLOW',
    `upstream ${name}: ${inFlight} requests wait for an answer (adaptiveConcurrency)`,
  );
}
