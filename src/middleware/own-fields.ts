// HOT PATH. x-pilotfish-to: whom the calling sidecar means.
import { ProxyError } from '../errors.ts';
import { removeOwnFields } from '../http/accept.ts';
import { FIELD } from '../http/field.ts';
import type { ProxyRequest } from '../http/message.ts';

const ID_TO = FIELD['x-pilotfish-to'];

/**
 * Inbound: a request that says for whom it is (`x-pilotfish-to`) is for us, or it is refused unexecuted, so that the
 * caller tries elsewhere; a request that says nothing comes from no sidecar and is taken. The field goes no further.
 * @returns whether it came from a sidecar.
 * @throws ProxyError PF_MISDIRECTED
 */
export function checkAddressee(request: ProxyRequest, ownService: string): boolean {
  const { ids, pairs } = request.headers;
  let isFromSidecar = false;
  for (let index = ids.indexOf(ID_TO); index >= 0; index = ids.indexOf(ID_TO, index + 1)) {
    isFromSidecar = true;
    if (pairs[2 * index + 1] !== ownService) {
      throw new ProxyError(
        'PF_MISDIRECTED',
        'the request was meant for another service than the one behind this sidecar',
      );
    }
  }
  removeOwnFields(request.headers);
  return isFromSidecar;
}
