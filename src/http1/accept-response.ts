// HOT PATH. Judges the head of an answer: what its content is, and whether its connection can be used again.
import {
  connectionOptions,
  OPTION_CLOSE,
  OPTION_KEEP_ALIVE,
  OPTION_NAMES,
  OPTION_UPGRADE,
  removeNamed,
} from '../http/accept.ts';
import type { Head } from './head.ts';

/** Content of an answer: a length ≥ 0, or one of these. */
export const CONTENT_CHUNKED = -1;
export const CONTENT_TO_END = -2;
export const CONTENT_TUNNEL = -3;

/** Takes hop-by-hop options into account. @returns bits of `Connection`. @throws ProxyError `PF_UPSTREAM_PROTOCOL`. */
export function acceptOptions(head: Head): number {
  if (head.connection === '') return 0;
  const options = connectionOptions(head.connection);
  if (options === undefined) throw head.fail('Connection names what it may not');
  if ((options & OPTION_NAMES) !== 0) removeNamed(head.headers, head.connection);
  return options;
}

/**
 * What content follows (RFC 9112 §6.3).
 * @param isUpgrade the request asked for a tunnel.
 * @throws ProxyError `PF_UPSTREAM_PROTOCOL` where the head contradicts itself, or answers what was not asked.
 */
export function contentOf(head: Head, method: string, isUpgrade: boolean, options: number): number {
  const { status } = head;
  if (status < 200 || status === 204) {
    if (head.isChunked || head.contentLength > 0 || (status < 200 && head.contentLength === 0))
      throw head.fail(`content is announced in a ${status}`);
    if (status !== 101) return 0;
    const isAsked = isUpgrade && (options & OPTION_UPGRADE) !== 0 && head.upgrade.toLowerCase() === 'websocket';
    if (!isAsked) throw head.fail('101 without having been asked for');
    return CONTENT_TUNNEL;
  }
  if (method === 'HEAD' || status === 304) return 0;
  if (head.isChunked) return CONTENT_CHUNKED;
  return head.contentLength >= 0 ? head.contentLength : CONTENT_TO_END;
}

/** True where the peer keeps the connection open. */
export function isPersistent(head: Head, options: number): boolean {
  return (options & OPTION_CLOSE) === 0 && (head.version === 11 || (options & OPTION_KEEP_ALIVE) !== 0);
}

/** Milliseconds of silence after which the peer announced to close (`Keep-Alive: timeout=5`); undefined where it did not. */
export function keepAliveMs(head: Head): number | undefined {
  if (head.keepAlive === '') return undefined;
  const seconds = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,6})/i.exec(head.keepAlive)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
