// One gRPC connection to one Nacos server: set up, asked, pushed to, checked. It is the lease: with it, all records end.
import { Client, type ChannelCredentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import type { Clock, Timer } from '../../src/util/clock.ts';
import { abortable, withDeadline } from '../../src/registry/deadline.ts';
import { asRegistryError, RegistryError } from '../../src/registry/types.ts';
import { errorOf, failureOf, parseFields, type Fields } from './answer.ts';
import { CHANNEL_OPTIONS } from './channel-options.ts';
import { decodePayload, encodePayload, type Payload } from './wire.ts';

/** What a connection needs, and whom it tells. */
export interface ConnectionOptions {
  /** `host:port` of gRPC. */
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** Another name that the certificate is for. */
  readonly serverName?: string;
  readonly namespaceId: string;
  readonly clock: Clock;
  /** The server pushed something that is not about the connection itself. */
  onPush(type: string, body: Fields, from: Connection): void;
  /** The server was heard. */
  onAlive(from: Connection): void;
  /** The server asks us to go elsewhere; the connection works on until it is closed. */
  onReset(from: Connection): void;
  /** It is over, and told so once; every call fails from now on. */
  onEnd(reason: RegistryError, from: Connection): void;
}

/** Servers eject a connection after 20 s without one; that pushes are answered does not count for all of them. */
const CHECK_EVERY_MS = 5_000;
/** Two checks in a row that are not answered within this end the connection: 11 s after the last sign of life. */
const CHECK_TIMEOUT_MS = 3_000;
/** Checks that are asked for in so many ms are one, in ms. */
const GATHER_MS = 250;
/** Connecting, settings and the first answer: two ways to the server and back. */
const CONNECT_TIMEOUT_MS = 6_000;
/** From the set-up to its acknowledgement. */
const SETUP_TIMEOUT_MS = 3_000;
/** A server that does not say when it has set up the connection is asked this often. */
const SETUP_POLL_MS = 50;
/** What the server takes for the dialect: abilities are told by it since 2.3, and unknown ones are let be. */
const CLIENT_VERSION = 'Nacos-Java-Client:v2.3.2';

const same = (bytes: Buffer): Buffer => bytes;

/** Made by `open()`. One writer: its link. */
export class Connection {
  /** Given by the server, another for each connection. */
  id = '';
  private readonly options: ConnectionOptions;
  private readonly client: Client;
  private stream: ClientDuplexStream<Buffer, Buffer> | undefined = undefined;
  private requests = 0;
  private heard = 0;
  private checkTimer: Timer | undefined = undefined;
  private checking: Promise<void> | undefined = undefined;
  private nextCheck: Promise<void> | undefined = undefined;
  private acknowledged: (() => void) | undefined = undefined;
  private reason: RegistryError | undefined = undefined;

  private constructor(options: ConnectionOptions) {
    this.options = options;
    const { serverName } = options;
    const override = serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName };
    this.client = new Client(options.target, options.credentials, { ...CHANNEL_OPTIONS, ...override });
  }

  /** Connects and sets up. Rejects with RegistryError; nothing stays open then, and `onEnd` is not called. */
  static async open(options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(options);
    try {
      const { clock } = options;
      const checked = await withDeadline(clock, CONNECT_TIMEOUT_MS, [signal], (limit) => connection.connect(limit));
      await withDeadline(clock, SETUP_TIMEOUT_MS, [signal], (limit) => connection.setUp(checked, limit));
      return connection;
    } catch (error) {
      connection.reason ??= new RegistryError('unavailable', 'nacos: not set up', { cause: error });
      connection.free();
      throw error;
    }
  }

  /** Why it is over; undefined while it is not. */
  get ended(): RegistryError | undefined {
    return this.reason;
  }

  /** Asks, and gives the answer's fields. Rejects with RegistryError, `forbidden` where the server says 403. */
  async request(
    type: string,
    fields: Fields,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Fields> {
    const body = JSON.stringify({ headers: {}, requestId: String(++this.requests), ...fields });
    const answer = await this.unary({ type, headers, body }, signal);
    const failure = failureOf(type, answer);
    if (failure === undefined) return answer;
    // "Connection is unregistered": the server has forgotten this one, whatever the transport says.
    if (answer['errorCode'] === 301 && this.stream !== undefined && this.id !== '') this.end(failure);
    throw failure;
  }

  /** One sign of life that the server has answered. Calls that come while one is under way share the next. */
  check(signal: AbortSignal): Promise<void> {
    if (this.checking === undefined) return abortable(this.startCheck(), signal);
    this.nextCheck ??= this.checkAfter(this.checking);
    return abortable(this.nextCheck, signal);
  }

  /** Leaves nothing open. `onEnd` is not called. */
  close(): void {
    this.reason ??= new RegistryError('aborted', 'nacos: connection closed');
    this.free();
  }

  private connect(signal: AbortSignal): Promise<Fields> {
    return this.request('ServerCheckRequest', { module: 'internal' }, {}, signal);
  }

  private async setUp(checked: Fields, signal: AbortSignal): Promise<void> {
    const negotiates = checked['supportAbilityNegotiation'] === true;
    const acknowledged = new Promise<void>((resolve, reject) => {
      this.acknowledged = resolve;
      const onAbort = (): void => reject(asRegistryError(signal.reason, 'nacos: set-up'));
      signal.addEventListener('abort', onAbort, { once: true });
    });
    acknowledged.catch(() => undefined);
    this.openStream();
    this.write('ConnectionSetupRequest', {
      requestId: String(++this.requests),
      headers: {},
      module: 'internal',
      clientVersion: CLIENT_VERSION,
      tenant: this.options.namespaceId,
      labels: { source: 'sdk', module: 'naming', AppName: 'pilotfish' },
      abilityTable: {},
    });
    if (negotiates) await acknowledged;
    else await this.untilKnown(signal);
    if (this.reason !== undefined) throw this.reason;
    this.id = typeof checked['connectionId'] === 'string' ? checked['connectionId'] : this.options.target;
    this.scheduleCheck();
  }

  /** Until the server knows the connection: it answers 301 before. */
  private async untilKnown(signal: AbortSignal): Promise<void> {
    for (;;) {
      const answer = await this.unary(
        { type: 'HealthCheckRequest', body: '{"module":"internal","headers":{}}' },
        signal,
      );
      if (answer['errorCode'] !== 301) {
        const failure = failureOf('HealthCheckRequest', answer);
        if (failure !== undefined) throw failure;
        return;
      }
      await new Promise<void>((resolve) => this.options.clock.setTimer(SETUP_POLL_MS, resolve));
      signal.throwIfAborted();
    }
  }

  private openStream(): void {
    const stream = this.client.makeBidiStreamRequest('/BiRequestStream/requestBiStream', same, same);
    this.stream = stream;
    stream.on('data', (bytes: Buffer) => this.take(bytes));
    stream.on('error', (error: Error) => this.end(errorOf(error as ServiceError, 'the stream broke')));
    stream.on('end', () => this.end(new RegistryError('unavailable', 'nacos: the server ended the stream')));
  }

  private take(bytes: Buffer): void {
    if (this.reason !== undefined) return;
    let type: string;
    let body: Fields;
    try {
      const payload = decodePayload(bytes);
      type = payload.type;
      body = parseFields(payload.body);
    } catch (error) {
      this.end(error as RegistryError);
      return;
    }
    this.wasHeard();
    if (type === 'SetupAckRequest') this.acknowledged?.();
    if (type.endsWith('Request')) {
      this.write(`${type.slice(0, -'Request'.length)}Response`, {
        resultCode: 200,
        errorCode: 0,
        success: true,
        requestId: body['requestId'],
      });
    }
    if (type === 'ConnectResetRequest') this.options.onReset(this);
    else this.options.onPush(type, body, this);
  }

  private write(type: string, fields: Fields): void {
    this.stream?.write(encodePayload({ type, body: JSON.stringify(fields) }));
  }

  private unary(payload: Payload, signal: AbortSignal): Promise<Fields> {
    return new Promise((resolve, reject) => {
      if (this.reason !== undefined) throw this.reason;
      signal.throwIfAborted();
      const call = this.client.makeUnaryRequest<Buffer, Buffer>(
        '/Request/request',
        same,
        same,
        encodePayload(payload),
        (error, answer) => {
          signal.removeEventListener('abort', onAbort);
          try {
            if (error !== null || answer === undefined) throw this.reason ?? errorOf(error, payload.type);
            const fields = parseFields(decodePayload(answer).body);
            this.wasHeard();
            resolve(fields);
          } catch (failure) {
            reject(asRegistryError(failure, `nacos: ${payload.type}`));
          }
        },
      );
      const onAbort = (): void => {
        call.cancel();
        reject(asRegistryError(signal.reason, `nacos: ${payload.type}`));
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  private wasHeard(): void {
    this.heard++;
    this.options.onAlive(this);
  }

  /** With a deadline of its own: who waits for it may give up before. */
  private startCheck(): Promise<void> {
    const check = withDeadline(this.options.clock, CHECK_TIMEOUT_MS, [], async (signal) => {
      await this.request('HealthCheckRequest', { module: 'internal' }, {}, signal);
    });
    this.checking = check;
    const done = (): void => {
      if (this.checking === check) this.checking = undefined;
    };
    check.then(done, done);
    return check;
  }

  /** A slow one is not waited for to its end: two, one after the other, may take longer than a call has. */
  private async checkAfter(running: Promise<void>): Promise<void> {
    await withDeadline(this.options.clock, GATHER_MS, [], () => running).catch(() => undefined);
    this.nextCheck = undefined;
    await this.startCheck();
  }

  private scheduleCheck(): void {
    this.checkTimer = this.options.clock.setTimer(CHECK_EVERY_MS, () => void this.checkTwice());
  }

  private async checkTwice(): Promise<void> {
    for (let tries = 0; tries < 2; tries++) {
      const { heard } = this;
      const error = await this.startCheck().then(
        () => undefined,
        (thrown: unknown) => asRegistryError(thrown, 'nacos: health check'),
      );
      if (this.reason !== undefined) return;
      if (error === undefined || this.heard > heard) break; // A long list that is still coming is life, too.
      if (tries === 1) this.end(error);
    }
    if (this.reason === undefined) this.scheduleCheck();
  }

  private end(reason: RegistryError): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.free();
    this.acknowledged?.();
    if (this.id !== '') this.options.onEnd(reason, this);
  }

  private free(): void {
    this.checkTimer?.cancel();
    this.stream?.cancel();
    this.client.close();
  }
}
