// Raw bytes over a real socket, for what no HTTP client would send.
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** A socket that keeps what it receives. */
export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far, latin1. */
  received(): string;
  /** Resolves when the peer has ended or reset the connection. */
  readonly closed: Promise<void>;
}

export function openRaw(port: number, host = '127.0.0.1'): Promise<RawConnection> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect({ port, host, allowHalfOpen: true });
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    const closed = new Promise<void>((done) => {
      socket.once('end', done);
      socket.once('close', () => done());
    });
    socket.once('connect', () => resolve({ socket, closed, received: () => received }));
    socket.on('error', reject);
  });
}

/** Sends bytes (latin1), ends nothing, and gives all that came until the peer closed or `isEnough` says so. */
export async function exchangeRaw(
  port: number,
  bytes: string,
  isEnough: (received: string) => boolean = () => false,
): Promise<string> {
  const connection = await openRaw(port);
  const { socket } = connection;
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (isEnough(connection.received())) resolve();
    };
    socket.on('data', look);
    socket.write(Buffer.from(bytes, 'latin1'));
    void connection.closed.then(resolve);
  });
  socket.destroy();
  return connection.received();
}
