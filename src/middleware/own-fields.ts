// HOT PATH. x-pilotfish-*: what sidecars say to each other and nobody else may say for them.
import { ProxyError } from '../errors.ts';
import { FIELD, FIELD_KIND, KIND_OWN } from '../http/field.ts';
import type { Headers } from '../http/headers.ts';
import type { ProxyRequest } from '../http/message.ts';

/** Takes every `x-pilotfish-*` off: of requests from an app (outbound), and of the app's answers (inbound). */
export function removeOwnFields(headers: Headers): void {
  const { ids } = headers;
  for (let index = 0; index < ids.length; index++) {
    if (isOwn(ids[index] ?? 0)) {
      headers.removeWhere(isOwn);
      return;
    }
  }
}

/**
 * Inbound: a request that says for whom it is (`x-pilotfish-to`) is for us, or it is refused unexecuted, so that the
 * caller tries elsewhere; a request that says nothing comes from no sidecar and is taken. The field goes no further.
 * @returns whether it came from a sidecar.
 * @throws ProxyError PF_MISDIRECTED
 */
export function checkAddressee(request: ProxyRequest, ownService: string): boolean {
  const to = request.headers.getId(FIELD['x-pilotfish-to']);
  if (to !== undefined && to !== ownService) {
    throw new ProxyError(
      'PF_MISDIRECTED',
      'the request was meant for another service than the one behind this sidecar',
    );
  }
  removeOwnFields(request.headers);
  return to !== undefined;
}

function isOwn(id: number): boolean {
  return ((FIELD_KIND[id] ?? 0) & KIND_OWN) !== 0;
}
