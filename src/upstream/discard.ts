// An answer that nobody is given: read to its end where that is near, so that its connection can be used again.
import { ProxyError } from '../errors.ts';
import type { Body, BodyReader } from '../http/body.ts';
import { giveBack } from '../http/lease.ts';

/** Beyond this a new connection is cheaper. */
const MAX_BYTES = 65_536;

/** Reads and forgets `body`; cancels it where it is long. */
export function discard(body: Body): void {
  if (body.isEmpty) return;
  if (body.length !== undefined && body.length > MAX_BYTES) body.cancel(notWanted());
  else body.read(new Discard(body));
}

class Discard implements BodyReader {
  private readonly body: Body;
  private left = MAX_BYTES;

  constructor(body: Body) {
    this.body = body;
  }

  onData(chunk: Buffer): void {
    this.left -= chunk.length;
    giveBack(chunk);
    if (this.left < 0) this.body.cancel(notWanted());
  }

  onEnd(): void {}
  onError(): void {}
}

function notWanted(): ProxyError {
  return new ProxyError('PF_CLIENT_CLOSED', 'this answer is not wanted: the request goes elsewhere');
}
