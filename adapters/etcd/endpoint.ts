// One etcd server: its client, made anew when certificates change or a connection hangs, and its calls and streams.
import { InterceptingCall, status as grpcStatus, type CallOptions, type Interceptor } from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import { Etcd3, type IOptions } from 'etcd3';
import { withDeadline } from '../../src/registry/deadline.ts';
import type { RegistryError } from '../../src/registry/types.ts';
import type { Clock } from '../../src/util/clock.ts';
import { etcdError } from './errors.ts';
import type { EtcdSettings } from './options.ts';
import type { TlsFiles, TlsMaterial } from './tls-files.ts';

/** Deadline of a unary call on a connection that stands, in ms. */
export const CALL_TIMEOUT_MS = 3_000;
/** What a call may wait for a connection to be made (name, TCP, TLS, settings), in ms, before that is begun anew. */
const CONNECT_TIMEOUT_MS = 6_000;

/**
 * A half-open connection is noticed within 13 s; etcd calls pings more often than every 5 s an attack. It also counts pings
 * of a connection without streams as one, so that `keepalive_permit_without_calls` stays off: what has to be noticed has a
 * stream. A proxy for the app's calls (`http_proxy`, likely ourselves) is none for ours.
 */
const GRPC_OPTIONS: NonNullable<IOptions['grpcOptions']> = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 3_000,
  'grpc.max_receive_message_length': -1,
  'grpc.dns_min_time_between_resolutions_ms': 1_000,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** A call with what it needs: etcd3's unary methods and stream openers take the options last. */
export type Call<T> = (client: Etcd3, options: CallOptions) => Promise<T>;

/** Calls are cancelled by their signal, not by gRPC's deadlines: those go by the wall clock, which may be an hour off. */
export class Endpoint {
  readonly host: string;
  private readonly isSecure: boolean;
  private readonly tls: TlsFiles | undefined;
  private readonly clock: Clock;
  private client: Etcd3 | undefined = undefined;
  private material: TlsMaterial | undefined = undefined;
  private isConnected = false;
  private connectingSinceMs = 0;

  constructor(host: string, settings: Pick<EtcdSettings, 'isSecure'>, tls: TlsFiles | undefined, clock: Clock) {
    this.host = host;
    this.isSecure = settings.isSecure;
    this.tls = tls;
    this.clock = clock;
  }

  /** One unary call. Rejects with RegistryError; the signal's reason where that aborted. */
  async unary<T>(where: string, token: string | undefined, signal: AbortSignal, call: Call<T>): Promise<T> {
    const client = this.open();
    const limitMs = this.isConnected ? CALL_TIMEOUT_MS : CONNECT_TIMEOUT_MS + CALL_TIMEOUT_MS;
    try {
      const answer = await withDeadline(this.clock, limitMs, [signal], (limited) =>
        call(client, { interceptors: [intercept(token, limited)] }),
      );
      if (this.client === client) this.isConnected = true;
      return answer;
    } catch (thrown) {
      const error = etcdError(thrown, `etcd ${this.host}: ${where}`);
      if (this.client === client) this.judge(error, signal);
      throw error;
    }
  }

  /**
   * Opens a stream, which ends with the signal, and is ended by a member that has lost its leader for three election timeouts:
   * cut off from the others, it would keep the stream open and hear of nothing. The client's own rejection is turned into a
   * RegistryError.
   */
  async stream<T>(where: string, token: string | undefined, signal: AbortSignal, call: Call<T>): Promise<T> {
    try {
      return await call(this.open(), { interceptors: [intercept(token, signal, true)] });
    } catch (thrown) {
      throw etcdError(thrown, `etcd ${this.host}: ${where}`);
    }
  }

  /** A stream of this endpoint has failed: the connection may be gone with it. */
  streamFailed(error: RegistryError): void {
    if (error.kind === 'unavailable' && this.isConnected) {
      this.isConnected = false;
      this.connectingSinceMs = this.clock.now();
    }
  }

  /** Closes the connections; the next call opens new ones. */
  close(): void {
    this.client?.close();
    this.client = undefined;
    this.isConnected = false;
  }

  private judge(error: RegistryError, signal: AbortSignal): void {
    if (error.kind === 'unavailable') {
      this.isConnected = false; // etcd3 has let go of the connection already.
      this.connectingSinceMs = this.clock.now();
    } else if (error.kind !== 'timeout' && error.kind !== 'aborted' && !signal.aborted) {
      this.isConnected = true; // It was refused by the server, so there is one.
    } else if (!this.isConnected && this.clock.now() - this.connectingSinceMs > CONNECT_TIMEOUT_MS) {
      this.close();
    }
  }

  private open(): Etcd3 {
    const material = this.isSecure ? this.tls?.material : undefined;
    if (this.client !== undefined && this.material !== material) this.close(); // Streams go on with what they began with.
    if (this.client !== undefined) return this.client;
    this.material = material;
    this.connectingSinceMs = this.clock.now();
    this.client = new Etcd3({
      hosts: `${this.isSecure ? 'https' : 'http'}://${this.host}`,
      ...(material === undefined ? {} : { credentials: material }),
      grpcOptions: GRPC_OPTIONS,
      // No retries and no breaker of its own: the core decides when to try again.
      faultHandling: { host: () => noop, global: noop },
    });
    return this.client;
  }
}

/** Puts the token on a call, and etcd's `WithRequireLeader` where asked to; ends the call with the signal. */
function intercept(token: string | undefined, signal: AbortSignal, requiresLeader = false): Interceptor {
  return (options, nextCall) => {
    const call = new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        if (token !== undefined) metadata.set('token', token);
        if (requiresLeader) metadata.set('hasleader', 'true');
        // Not CANCELLED: etcd3 takes that for a broken connection, and closes it under everybody else.
        const onAbort = (): void => call.cancelWithStatus(grpcStatus.FAILED_PRECONDITION, 'given up');
        signal.addEventListener('abort', onAbort, { once: true });
        next(metadata, {
          onReceiveStatus: (status, pass) => {
            signal.removeEventListener('abort', onAbort);
            // By these words etcd3 knows that it should log in again, which is ours to do: it would repeat the call for ever.
            pass({ ...status, details: status.details.replace('etcdserver: invalid auth', 'invalid auth') });
          },
        });
        if (signal.aborted) onAbort();
      },
    });
    return call;
  };
}
