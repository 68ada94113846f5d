// HTTP/1.1 over plain TCP: what a pool is given in this version.
import { Http1ClientConnection } from '../http1/client-connection.ts';
import { SHARED_READS } from '../http1/socket-events.ts';
import type { WireLimits } from '../http/limits.ts';
import type { Clock } from '../util/clock.ts';
import type { DeadlineLists } from '../util/deadline-list.ts';
import { tcpConnect, type Connect, type OpenConnection } from './connect.ts';

/** @param limits on the heads, trailers and chunks of answers. */
export function http1Connect(clock: Clock, deadlines: DeadlineLists, limits: WireLimits): Connect {
  const open: OpenConnection = (socket, { address }, { stallMs, idleMs }, owner) =>
    new Http1ClientConnection(socket, owner, { clock, deadlines, limits, endpoint: address, stallMs, idleMs });
  return tcpConnect(clock, deadlines, open, SHARED_READS);
}
