// Ends a connection so that nothing that was sent on it can look complete.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** RST on TCP; over TLS a close without the `close_notify` that a clean end has (RFC 8446 §6.1). */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket instanceof TLSSocket || socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
