// HOT PATH. Joins a socket and its connection with listener functions that all connections share: no closure for each.
import type { OnReadOpts, Socket } from 'node:net';
import { giveBack, lease, onLoan, READ_BYTES, readBuffer } from '../http/lease.ts';

/** A connection that owns a socket. */
export interface SocketOwner {
  /** `chunk` may be on lease or on loan: valid during the call, and behind it what `part` made of it. */
  read(chunk: Buffer): void;
  /** The peer has closed its direction. */
  ended(): void;
  /** What was written has left. */
  drained(): void;
  /** The socket failed (`cause`), or was closed: this comes last, once, and without a cause. */
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

/** Up to here what is kept of a read is copied: it is not worth a buffer of its own. */
const SMALL_BYTES = 8_192;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);
/** The beginning of `shared`, by its length: made once. */
const loans = new Array<Buffer | undefined>(SMALL_BYTES + 1).fill(undefined);
/** What the connection whose callback ran last reads into next; asked for at once, and given to no other. */
let ownBuffer: Buffer | undefined;

/**
 * For `net.connect`, and for what was accepted (`withSharedReads`): reads go past the stream machinery, into one buffer that
 * all connections share, instead of into 64 KiB allocated and given back for each; what is kept is copied out of it. A read
 * that fills it is followed by others of its size: those get a buffer of their own, on lease, and are passed on uncopied.
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
    if (buffer === shared && bytes <= SMALL_BYTES) {
      owner?.read((loans[bytes] ??= onLoan(shared.subarray(0, bytes))));
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
