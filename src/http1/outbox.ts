// HOT PATH. Answers to pipelined requests, collected so that those of one turn of the loop leave in one write.
import type { Socket } from 'node:net';

/** Collected text goes out at the latest when it is this long. */
const MAX_CHARS = 65_536;

export class Outbox {
  private readonly socket: Socket;
  private text = '';

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Writes `text`: at once, or at the end of this turn where more answers are to be expected in it. */
  send(text: string, isMoreExpected: boolean): void {
    if (!isMoreExpected && this.text === '') {
      this.socket.write(text, 'latin1');
      return;
    }
    if (this.text === '') process.nextTick(flushLater, this);
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

function flushLater(outbox: Outbox): void {
  outbox.flush();
}
