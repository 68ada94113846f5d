// An answer that nobody is given: read to its end where that is near, so that its connection can be used again.
import { ProxyError } from '../errors.ts';
import type { Body, BodyReader } from '../http/body.ts';
import { giveBack } from '../http/lease.ts';
import type { Clock, Timer } from '../util/clock.ts';

/** Beyond this a new connection is cheaper. */
const MAX_BYTES = 65_536;
/** Nor is one kept for longer than this, and with it the verdict on its endpoint. */
const MAX_MS = 1_000;

/** Reads and forgets `body`; cancels it where it is long, or takes long. */
export function discard(body: Body, clock: Clock): void {
  if (body.isEmpty) return;
  if (body.length !== undefined && body.length > MAX_BYTES) body.cancel(notWanted());
  else new Discard(body).begin(clock);
}

class Discard implements BodyReader {
  private readonly body: Body;
  private left = MAX_BYTES;
  private isOver = false;
  private timer: Timer | undefined = undefined;

  constructor(body: Body) {
    this.body = body;
  }

  begin(clock: Clock): void {
    this.body.read(this);
    // Most are complete by now.
    if (!this.isOver) this.timer = clock.setTimer(MAX_MS, () => this.cancel());
  }

  onData(chunk: Buffer): void {
    this.left -= chunk.length;
    giveBack(chunk);
    if (this.left < 0) this.cancel();
  }

  onEnd(): void {
    this.isOver = true;
    this.timer?.cancel();
  }

  onError(): void {
    this.onEnd();
  }

  private cancel(): void {
    this.onEnd();
    this.body.cancel(notWanted());
  }
}

function notWanted(): ProxyError {
  return new ProxyError('PF_CLIENT_CLOSED', 'this answer is not wanted: the request goes elsewhere');
}
