// HOT PATH. From a parsed head to a ProxyRequest: what HTTP/1 adds to the acceptance that all versions share.
import { ProxyError } from '../errors.ts';
import {
  checkExpectation,
  checkMethod,
  connectionOptions,
  countForwards,
  isWebSocket,
  offersTrailers,
  OPTION_CLOSE,
  OPTION_KEEP_ALIVE,
  OPTION_NAMES,
  OPTION_UPGRADE,
  removeNamed,
} from '../http/accept.ts';
import { Body, type BodySource } from '../http/body.ts';
import { FIELD } from '../http/field.ts';
import { ProxyRequest } from '../http/message.ts';
import type { ServingContext } from '../http/serving.ts';
import { normalAuthority, parseTarget } from '../http/target.ts';
import type { Head } from './head.ts';

/** What of a request concerns its connection alone. */
export interface AcceptedRequest {
  readonly request: ProxyRequest;
  /** The client would like to go on using the connection. */
  readonly isPersistent: boolean;
  /** The client waits for a 100 before it sends the content. */
  readonly expectsContinue: boolean;
  /** `OPTIONS` whose `Max-Forwards` has run out: answered here. */
  readonly isForUs: boolean;
}

/**
 * Judges `head` as DESIGN ("What the wire accepts") has it. Content goes into the body by whoever called, with `source` pausing it.
 * @throws ProxyError `PF_BAD_REQUEST` with the status that fits.
 */
export function acceptRequest(
  head: Head,
  context: ServingContext,
  isSecure: boolean,
  peer: string,
  source: BodySource,
): AcceptedRequest {
  const { method, headers, version } = head;
  checkMethod(method);
  const host = head.host === undefined ? undefined : normalAuthority(head.host);
  if (host === undefined)
    throw head.fail(head.host === undefined ? 'there is no Host' : 'Host is not a valid authority');
  const target = parseTarget(method, head.target, context.paths);
  if (target.authority !== undefined && target.authority !== host) {
    // RFC 9112 §3.2.2: the target says whom it is for, and Host is made to agree.
    const index = headers.ids.indexOf(FIELD.host);
    headers.pairs[2 * index + 1] = target.authority;
  }
  const options = head.connection === '' ? 0 : connectionOptions(head.connection);
  if (options === undefined) throw head.fail('Connection names what it may not');
  if ((options & OPTION_NAMES) !== 0) removeNamed(headers, head.connection);
  if (head.te !== '' && offersTrailers(head.te)) headers.append('TE', 'trailers', FIELD.te);
  const hasBody = head.isChunked || head.contentLength > 0;
  const isUpgrade =
    (options & OPTION_UPGRADE) !== 0 &&
    method === 'GET' &&
    version === 11 &&
    !hasBody &&
    isWebSocket(headers, head.upgrade);
  const expectsContinue = checkExpectation(headers, version, hasBody);
  const isForUs = method === 'OPTIONS' && countForwards(headers);
  const request = new ProxyRequest({
    direction: context.direction,
    method,
    scheme: isSecure ? 'https' : 'http',
    authority: target.authority ?? host,
    path: target.path,
    query: target.query,
    httpVersion: version,
    headers,
    body:
      hasBody || isUpgrade
        ? new Body(source, head.isChunked || isUpgrade ? undefined : head.contentLength)
        : Body.empty,
    peer,
    receivedAtMs: context.clock.now(),
  });
  request.isUpgrade = isUpgrade;
  const isPersistent = (options & OPTION_CLOSE) === 0 && (version === 11 || (options & OPTION_KEEP_ALIVE) !== 0);
  return { request, isPersistent, expectsContinue, isForUs };
}

/** An answer cannot be made of a message that broke off: why its connection ends. */
export function clientClosed(message: string, cause?: unknown): ProxyError {
  return new ProxyError('PF_CLIENT_CLOSED', message, cause === undefined ? {} : { cause });
}
