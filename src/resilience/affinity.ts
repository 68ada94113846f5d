// HOT PATH where it is configured. Sets the cookies that send a client's next requests to the same endpoint.
import { randomBytes } from 'node:crypto';
import type { HashSource } from '../balancer/options.ts';
import { cookieValue } from '../http/cookie.ts';
import { FIELD } from '../http/field.ts';
import type { Layer, ProxyResponse } from '../http/message.ts';
import type { UpstreamOptions } from '../upstream/options.ts';
import type { Stickiness } from '../upstream/stickiness.ts';
import { answeredBy } from './answered-by.ts';

/** Of a cookie made for hashing: as many clients as there are never share one. */
const KEY_BYTES = 12;

/** Outside of `retry`: whose answer is passed on is known then. Undefined where no cookie is ever set. */
export function affinity(options: UpstreamOptions, stickiness: Stickiness | undefined): Layer | undefined {
  if (stickiness !== undefined) return sticky(stickiness);
  const { balancer } = options;
  if (balancer.policy !== 'ring-hash' && balancer.policy !== 'maglev') return undefined;
  const made = balancer.hash.find((source) => source.kind === 'cookie' && source.ttlMs !== undefined);
  return made?.kind === 'cookie' ? keyed(made) : undefined;
}

/** The cookie of `sticky`: names the endpoint that answered, where the request's own does not. */
function sticky(stickiness: Stickiness): Layer {
  const { cookie, ttlMs, path, secure } = stickiness.options;
  const attributes = attributesOf(ttlMs ?? 0, path, secure);
  return (next) => async (request) => {
    const response = await next(request);
    const name =
      response.code === undefined ? stickiness.nameAt(answeredBy(request, response)?.endpoint ?? '') : undefined;
    // One that fails is nobody to come back to.
    if (name === undefined || response.status >= 500 || cookieValue(request.headers, cookie) === name) return response;
    setCookie(response, `${cookie}=${name}${attributes}`);
    return response;
  };
}

/** The cookie of a hash policy with a `ttl`: made for a client that has none, hashed from its first request on. */
function keyed({ name, ttlMs }: Extract<HashSource, { readonly kind: 'cookie' }>): Layer {
  const attributes = attributesOf(ttlMs ?? 0, '/', false);
  return (next) => async (request) => {
    if (cookieValue(request.headers, name) !== undefined) return next(request);
    request.affinity = randomBytes(KEY_BYTES).toString('base64url');
    const response = await next(request);
    setCookie(response, `${name}=${request.affinity}${attributes}`);
    return response;
  };
}

function setCookie(response: ProxyResponse, value: string): void {
  response.headers.append('Set-Cookie', value, FIELD['set-cookie']);
}

/** RFC 6265 §4.1.2. @param ttlMs 0: until the client's session ends. */
function attributesOf(ttlMs: number, path: string, isSecure: boolean): string {
  const maxAge = ttlMs > 0 ? `; Max-Age=${Math.ceil(ttlMs / 1_000)}` : '';
  return `${maxAge}; Path=${path}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
}
