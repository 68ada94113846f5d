// How a pool gets a connection: the seam to sockets, TLS and codecs, and the one over plain TCP.
import { connect as openSocket, type OnReadOpts, type Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { ClientConnection, ConnectionOwner } from '../http/exchange.ts';
import type { Clock } from '../util/clock.ts';
import { Deadline, type DeadlineLists, type DeadlineOwner } from '../util/deadline-list.ts';
import { isOurOwn } from './our-own.ts';

/** Whom to connect to. */
export interface ConnectTarget {
  readonly host: string;
  readonly port: number;
  /** `host:port`, for messages. */
  readonly address: string;
}

/** What a connection has to know beside its socket; in ms, 0 = none. */
export interface ConnectionOptions {
  /** To establish it. */
  readonly connectTimeoutMs: number;
  /** An announced body, a willing reader, and nothing comes. */
  readonly stallMs: number;
  /** No byte in either direction while an exchange runs. */
  readonly idleMs: number;
}

/** Told once of how a dial ended; never before `connect` has returned. */
export interface DialListener {
  onConnected(connection: ClientConnection): void;
  /** PF_CONNECT_FAILED, or PF_OVERFLOW where this process cannot have another connection; `requestSent: false`. */
  onConnectFailed(error: ProxyError): void;
}

/** Opens a connection; `owner` hears of it from then on. Never throws. Bounded by `connectTimeoutMs`. */
export type Connect = (
  target: ConnectTarget,
  options: ConnectionOptions,
  owner: ConnectionOwner,
  listener: DialListener,
) => void;

/** Makes a codec's connection of a connected socket. */
export type OpenConnection = (
  socket: Socket,
  target: ConnectTarget,
  options: ConnectionOptions,
  owner: ConnectionOwner,
) => ClientConnection;

/** Connects over plain TCP. @param onread how the codec's sockets read, where they do so past the stream machinery. */
export function tcpConnect(clock: Clock, deadlines: DeadlineLists, open: OpenConnection, onread?: OnReadOpts): Connect {
  return (target, options, owner, listener) => {
    const dial = new Dial(target, options, owner, listener, open, onread);
    if (options.connectTimeoutMs > 0) deadlines.of(options.connectTimeoutMs).arm(dial.deadline, clock.now());
  };
}

class Dial implements DeadlineOwner {
  readonly deadline = new Deadline(this);
  private readonly target: ConnectTarget;
  private readonly options: ConnectionOptions;
  private readonly listener: DialListener;
  private readonly socket: Socket;

  constructor(
    target: ConnectTarget,
    options: ConnectionOptions,
    owner: ConnectionOwner,
    listener: DialListener,
    open: OpenConnection,
    onread: OnReadOpts | undefined,
  ) {
    this.target = target;
    this.options = options;
    this.listener = listener;
    const socket = openSocket({
      host: target.host,
      port: target.port,
      noDelay: true,
      ...(onread === undefined ? {} : { onread }),
    });
    this.socket = socket;
    socket.once('error', this.onError);
    socket.once('connect', () => {
      this.deadline.disarm();
      socket.off('error', this.onError);
      listener.onConnected(open(socket, target, options, owner));
    });
  }

  onDeadline(): void {
    this.socket.off('error', this.onError);
    this.socket.on('error', () => undefined); // Whatever a destroyed dial still says, the verdict is given.
    this.socket.removeAllListeners('connect');
    this.socket.destroy();
    this.fail(`no connection within ${this.options.connectTimeoutMs} ms`, undefined);
  }

  private readonly onError = (cause: Error): void => {
    this.deadline.disarm();
    this.socket.destroy();
    this.fail('no connection', cause);
  };

  private fail(what: string, cause: Error | undefined): void {
    const endpoint = this.target.address;
    const message = `endpoint ${endpoint}: ${what}`;
    const code = isOurOwn(cause) ? 'PF_OVERFLOW' : 'PF_CONNECT_FAILED';
    this.listener.onConnectFailed(new ProxyError(code, message, { cause, requestSent: false, endpoint }));
  }
}
