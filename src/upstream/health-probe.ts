// One question to one address: do you work? Asked by health-checker.ts, and of suspects before they are dropped.
import { connect as connectHttp2, constants } from 'node:http2';
import type { IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { causeChain } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import { isOurOwn } from './our-own.ts';

/**
 * What counts as an answer. `tcp`: a connection can be opened. `http`: a GET of `path` gives 2xx or 3xx.
 * `grpc`: `grpc.health.v1.Health/Check` of `service` (empty: the whole server) gives SERVING, over HTTP/2 without TLS.
 */
export type HealthProbe =
  | { readonly kind: 'tcp' }
  | { readonly kind: 'http'; readonly path: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: 'grpc'; readonly service: string };

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  readonly probe: HealthProbe;
  readonly timeoutMs: number;
}

/** The address could not be asked, for a reason of our own: that says nothing of it. */
export class NoVerdict {
  /** For people. */
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Of one probe: undefined where it passed, else what went wrong. */
export type Verdict = string | NoVerdict | undefined;

/** One probe. Rejects only when `signal` aborts. */
export async function runProbe(clock: Clock, target: ProbeTarget, signal: AbortSignal): Promise<Verdict> {
  // A signal of its own, not AbortSignal.any: what a socket hangs on a signal is kept for as long as that lives.
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const timer = clock.setTimer(target.timeoutMs, () => own.abort(new Error(`no answer within ${target.timeoutMs} ms`)));
  try {
    await ask(target, own.signal);
    return undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    const why: unknown = own.signal.aborted ? own.signal.reason : error;
    return isOurOwn(why) ? new NoVerdict(causeChain(why)) : causeChain(why);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

function ask({ host, port, probe }: ProbeTarget, signal: AbortSignal): Promise<void> {
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  switch (probe.kind) {
    case 'tcp':
      return openPort(host, port, signal);
    case 'http':
      return getOk(`http://${authority}${probe.path}`, probe.headers ?? {}, signal);
    case 'grpc':
      return checkServing(`http://${authority}`, probe.service, signal);
  }
}

function openPort(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

async function getOk(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
  const { request } = await import('undici');
  const { statusCode, body } = await request(url, {
    signal,
    headers: { 'user-agent': 'pilotfish-health', connection: 'close', ...headers },
  });
  await body.dump({ limit: 65_536, signal });
  if (statusCode >= 400) throw new Error(`the health check answered ${statusCode}`);
}

/** Message of `HealthCheckResponse`: field 1, varint; 1 is SERVING (grpc/grpc, doc/health-checking.md). */
const SERVING = 1;
const MAX_ANSWER_BYTES = 1_024;

function checkServing(origin: string, service: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(origin);
    const fail = (error: Error): void => {
      session.destroy();
      reject(error);
    };
    signal.addEventListener('abort', () => fail(signal.reason as Error), { once: true });
    session.once('error', fail);
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status = '';
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream.once('error', fail);
    stream.once('response', (headers) => (status = String(headers['grpc-status'] ?? '')));
    stream.once('trailers', (trailers: IncomingHttpHeaders) => (status = String(trailers['grpc-status'] ?? '')));
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
      else fail(new Error('the gRPC health check answered with too much'));
    });
    stream.once('close', () => {
      session.close();
      const answer = Buffer.concat(chunks);
      if (status === '0' && answer.length === 7 && answer[5] === 0x08 && answer[6] === SERVING) resolve();
      else reject(new Error(status === '0' ? 'the gRPC health check answered not SERVING' : `gRPC status ${status}`));
    });
    stream.end(frame(service));
  });
}

/** A length-prefixed `HealthCheckRequest`: field 1, the name of the service (at most 253 bytes, as configuration allows). */
function frame(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  const length = name.length < 128 ? Buffer.of(name.length) : Buffer.of((name.length & 0x7f) | 0x80, name.length >> 7);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.of(0x0a), length, name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
