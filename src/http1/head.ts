// HOT PATH. What a message head says, between the parser that fills it and whoever judges it.
import { ProxyError, type ErrorCode } from '../errors.ts';
import { Headers } from '../http/headers.ts';

/**
 * What a head says. One object is filled anew for each head (`reset`), its values are moved out before the next one is read.
 * Fields that concern this hop alone never enter `headers`: they stand beside it.
 */
export class Head {
  /** The code of everything that is wrong with it: `PF_BAD_REQUEST` or `PF_UPSTREAM_PROTOCOL`. */
  readonly code: ErrorCode;
  method = '';
  target = '';
  status = 0;
  reason = '';
  version: 10 | 11 = 11;
  headers: Headers = new Headers();
  /** -1 where there is no Content-Length. */
  contentLength = -1;
  isChunked = false;
  /** The lists below: lines of one name joined with commas; empty where there was none. */
  transferEncoding = '';
  connection = '';
  upgrade = '';
  te = '';
  keepAlive = '';
  /** Undefined where there was none (in answers it is a field as any other). */
  host: string | undefined = undefined;

  constructor(code: ErrorCode) {
    this.code = code;
  }

  reset(): void {
    this.headers = new Headers();
    this.contentLength = -1;
    this.isChunked = false;
    this.transferEncoding = '';
    this.connection = '';
    this.upgrade = '';
    this.te = '';
    this.keepAlive = '';
    this.host = undefined;
  }

  fail(message: string, status?: number): ProxyError {
    return new ProxyError(this.code, message, status === undefined || this.code !== 'PF_BAD_REQUEST' ? {} : { status });
  }
}
