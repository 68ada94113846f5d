// Reads the small body of an operator's request.
import type { IncomingMessage } from 'node:http';

/** Far more than any of our requests needs. */
export const MAX_BODY_BYTES = 16_384;

/** The body is longer than `MAX_BODY_BYTES`: 413. */
export class TooLarge extends Error {
  constructor() {
    super(`a body has at most ${MAX_BODY_BYTES} bytes`);
    this.name = 'TooLarge';
  }
}

/** The connection ended before the body did: nobody is left to be answered. */
export class ClientGone extends Error {
  constructor(cause?: unknown) {
    super('the client went away', { cause });
    this.name = 'ClientGone';
  }
}

/** The whole body as text. Rejects with TooLarge or ClientGone. */
export function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) reject(new TooLarge());
      else chunks.push(chunk);
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('error', (error) => reject(new ClientGone(error)));
    request.once('close', () => reject(new ClientGone()));
  });
}
