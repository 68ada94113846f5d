// Requests for unit tests, with everything that does not matter filled in.
import { Body } from '../../src/http/body.ts';
import { Headers } from '../../src/http/headers.ts';
import { ProxyRequest } from '../../src/http/message.ts';

type Fields = ConstructorParameters<typeof ProxyRequest>[0];

/** `GET http://orders/` from 127.0.0.1 to the outbound listener, but for what is given. */
export function aRequest(
  fields: Partial<Omit<Fields, 'headers'>> & { readonly headers?: readonly (readonly [string, string])[] } = {},
): ProxyRequest {
  const { headers = [], ...rest } = fields;
  return new ProxyRequest({
    direction: 'outbound',
    method: 'GET',
    scheme: 'http',
    authority: 'orders',
    path: '/',
    query: '',
    httpVersion: 11,
    body: Body.empty,
    peer: '127.0.0.1',
    receivedAtMs: 0,
    ...rest,
    headers: Headers.of(...headers),
  });
}
