// Where the content of a message comes from in tests, and what was asked of it.
import type { ProxyError } from '../../../src/errors.ts';
import { Body, type BodySource } from '../../../src/http/body.ts';

/** Pushes nothing by itself: the test writes to `body`. */
export class Source implements BodySource {
  readonly body: Body;
  isPaused = true;
  cancelled: ProxyError | undefined = undefined;

  /** @param length that is declared, in bytes; undefined: chunked. */
  constructor(length?: number) {
    this.body = new Body(this, length);
  }

  pauseBody(): void {
    this.isPaused = true;
  }

  resumeBody(): void {
    this.isPaused = false;
  }

  cancelBody(reason: ProxyError): void {
    this.cancelled = reason;
  }
}
