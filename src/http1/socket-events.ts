// HOT PATH. Joins a socket and its connection with listener functions that all connections share: no closure for each.
import type { OnReadOpts, Socket } from 'node:net';
import { giveBack, lease, READ_BYTES, readBuffer, takeBack } from '../http/lease.ts';

/** A connection that owns a socket. */
export interface SocketOwner {
  /** `chunk` may be a lease: valid during the call, and of it what `part` was cut from. */
  read(chunk: Buffer): void;
  /** The peer has closed its direction. */
  ended(): void;
  /** What was written has left. */
  drained(): void;
  /** The socket failed, or was closed; may be told more than once. */
  gone(cause: Error | undefined): void;
}

const OWNER: unique symbol = Symbol('pilotfish.owner');
interface OwnedSocket extends Socket {
  [OWNER]?: SocketOwner;
}

/** From now on `owner` hears of the socket; half-open is allowed, so that `ended` is not the end of both directions. */
export function own(socket: Socket, owner: SocketOwner): void {
  (socket as OwnedSocket)[OWNER] = owner;
  socket.allowHalfOpen = true;
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('error', onError);
  socket.on('close', onClose);
}

/** Up to here a read is copied: it is not worth a buffer of its own. */
const SMALL_BYTES = 8_192;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);
/** What the connection whose callback ran last reads into next; asked for at once, and given to no other. */
let ownBuffer: Buffer | undefined;

/**
 * For `net.connect`: reads go past the stream machinery, into one buffer that all connections share, and are copied out
 * of it, instead of into 64 KiB allocated and given back for each read. A read that fills it is followed by others of its
 * size: those get a buffer of their own, on lease, and are passed on uncopied.
 */
export const SHARED_READS: OnReadOpts = {
  // Node asks behind each callback, and when a socket connects: that one must not get what another reads into.
  buffer: () => {
    const buffer = ownBuffer ?? shared;
    ownBuffer = undefined;
    return buffer;
  },
  callback(this: OwnedSocket, bytes: number, filled: Uint8Array): boolean {
    const buffer = filled as Buffer;
    const owner = this[OWNER];
    if (bytes <= SMALL_BYTES) {
      const read = Buffer.from(buffer.subarray(0, bytes));
      if (buffer !== shared) takeBack(buffer);
      owner?.read(read);
      return true;
    }
    let leased = buffer;
    if (buffer === shared) {
      leased = readBuffer();
      shared.copy(leased, 0, 0, bytes);
    }
    const read = lease(leased, bytes);
    owner?.read(read);
    giveBack(read);
    if (bytes === READ_BYTES) ownBuffer = readBuffer();
    return true;
  },
};

function onData(this: OwnedSocket, chunk: Buffer): void {
  this[OWNER]?.read(chunk);
}

function onEnd(this: OwnedSocket): void {
  this[OWNER]?.ended();
}

function onDrain(this: OwnedSocket): void {
  this[OWNER]?.drained();
}

function onError(this: OwnedSocket, error: Error): void {
  this[OWNER]?.gone(error);
}

function onClose(this: OwnedSocket): void {
  this[OWNER]?.gone(undefined);
}
