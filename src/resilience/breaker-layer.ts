// HOT PATH. The breaker as a layer, inside the retries: refuses an attempt before anything is picked, or lets it pass as a probe.
import { ProxyError } from '../errors.ts';
import type { Handler, Layer, ProxyRequest, ProxyResponse } from '../http/message.ts';
import type { Breaker } from './breaker.ts';
import { rowOfError, rowOfStatus } from './breaker-table.ts';

/** While the breaker is closed this is one comparison; it hears of the attempts as their observer. Rejects with PF_BREAKER_OPEN. */
export function breakerLayer(breaker: Breaker): Layer {
  return (next) => (request) => {
    if (breaker.isClosed) return next(request);
    const refusal = breaker.admitProbe();
    return refusal === undefined ? probe(breaker, next, request) : Promise.reject(refusal);
  };
}

async function probe(breaker: Breaker, next: Handler, request: ProxyRequest): Promise<ProxyResponse> {
  try {
    const response = await next(request);
    breaker.probed(rowOfStatus(response.status));
    return response;
  } catch (error) {
    breaker.probed(error instanceof ProxyError ? rowOfError(error) : 'bug');
    throw error;
  }
}
