// HOT PATH. Answers on one connection, collected so that those of one turn of the loop leave in one write, at its end.
import type { Socket } from 'node:net';
import { flushAtEndOfTurn, type Flushable } from '../util/end-of-turn.ts';

/** Collected text goes out at the latest when it is this long. */
const MAX_CHARS = 65_536;

export class Outbox implements Flushable {
  private readonly socket: Socket;
  private text = '';

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Writes `text` at the end of this turn. */
  send(text: string): void {
    if (this.text === '') flushAtEndOfTurn(this);
    this.text += text;
    if (this.text.length >= MAX_CHARS) this.flush();
  }

  /** What was collected, to be written in front of something else. */
  take(): string {
    const { text } = this;
    this.text = '';
    return text;
  }

  flush(): void {
    if (this.text !== '') this.socket.write(this.take(), 'latin1');
  }
}
