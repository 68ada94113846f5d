// One agent over HTTP: who we are (token, certificates), one request with its bounds, and what its failures mean.
import type { Dispatcher, Pool } from 'undici';
import type { Clock } from '../../src/util/clock.ts';
import { RenewedFile } from '../../src/registry/renewed-file.ts';
import { RegistryError } from '../../src/registry/types.ts';
import type { ConsulTarget } from './options.ts';

/** One request. `path` begins with `/v1/` and is encoded already. */
export interface ConsulRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  /** Parameters beside datacenter, namespace and partition; undefined ones are left out. */
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** May wait for a long time: goes through connections of its own, so that it holds nothing up. */
  readonly isLongPoll?: boolean;
  /** Reads of the catalog name the datacenter; calls to the agent must not. */
  readonly isCatalog?: boolean;
  /** Statuses beside 2xx that are answers, not failures. */
  readonly accepts?: readonly number[];
  /** Nobody looks at `text`: it is empty where the status is 2xx. */
  readonly ignoresBody?: boolean;
  /** Called as pieces of the body arrive. */
  onProgress?(): void;
}

export interface ConsulAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** TLS material as read from its files. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
}

interface Pools {
  readonly version: string;
  readonly calls: Pool;
  readonly polls: Pool;
}

/** Connections for short calls, and for long polls; an agent allows 200 to all clients of one address together. */
const MAX_CALLS = 4;
export const MAX_POLLS = 96;
const CONNECT_TIMEOUT_MS = 3_000;
/** Backstops; every request has a signal with a tighter bound. */
const HEADERS_TIMEOUT_MS = 30_000;
const BODY_TIMEOUT_MS = 15_000;
const MAX_BODY_BYTES = 64 * 1_048_576;
const MAX_SHOWN = 200;

/** Opens connections as they are needed. `close()` ends them all, at once. */
export class Connection {
  readonly target: ConsulTarget;
  private readonly tokenFile: RenewedFile | undefined;
  private readonly tlsFiles: { readonly ca?: RenewedFile; readonly cert?: RenewedFile; readonly key?: RenewedFile };
  private pools: Pools | undefined = undefined;
  private isClosed = false;

  constructor(target: ConsulTarget, clock: Clock) {
    this.target = target;
    const open = (path: string | undefined): RenewedFile | undefined =>
      path === undefined ? undefined : new RenewedFile(path, clock);
    this.tokenFile = open(target.tokenFile);
    const [ca, cert, key] = [open(target.tls?.ca), open(target.tls?.cert), open(target.tls?.key)];
    this.tlsFiles = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  }

  /** The token as of now. Throws RegistryError `unauthenticated` where its file cannot be read or holds none. */
  token(): string | undefined {
    if (this.tokenFile === undefined) return this.target.token;
    const token = this.tokenFile.read().bytes.toString('utf8').trim();
    if (/^[\x21-\x7e]{1,512}$/.test(token)) return token;
    throw new RegistryError('unauthenticated', `${this.target.tokenFile ?? ''} holds no token`);
  }

  /** TLS material as of now, and a text that is another one after each change. */
  tls(): { readonly material: TlsMaterial; readonly version: string } {
    const [ca, cert, key] = [this.tlsFiles.ca?.read(), this.tlsFiles.cert?.read(), this.tlsFiles.key?.read()];
    const servername = this.target.tls?.serverName;
    return {
      material: {
        ...(ca && { ca: ca.bytes }),
        ...(cert && { cert: cert.bytes }),
        ...(key && { key: key.bytes }),
        ...(servername === undefined ? {} : { servername }),
      },
      version: [ca, cert, key].map((reading) => reading?.version ?? 0).join(),
    };
  }

  /** The whole answer. Rejects with RegistryError for failures and for statuses that are not accepted. */
  async request(request: ConsulRequest, signal: AbortSignal): Promise<ConsulAnswer> {
    const token = this.token();
    try {
      const pools = await this.open();
      const options: Dispatcher.RequestOptions = {
        method: request.method,
        path: request.path,
        query: this.queryOf(request),
        headers: {
          accept: 'application/json',
          ...(token === undefined ? {} : { 'x-consul-token': token }),
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal,
        headersTimeout: HEADERS_TIMEOUT_MS,
        bodyTimeout: BODY_TIMEOUT_MS,
      };
      const answer = await (request.isLongPoll === true ? pools.polls : pools.calls).request(options);
      const { statusCode: status, headers } = answer;
      const isSuccess = status >= 200 && status < 300;
      const isKept = !isSuccess || request.ignoresBody !== true;
      const text = await readBody(answer.body, isKept, request.onProgress?.bind(request));
      if (isSuccess || request.accepts?.includes(status) === true) return { status, headers, text };
      throw refusal(status, text, request.path, token);
    } catch (thrown) {
      throw failure(thrown, request.path);
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const pools = this.pools;
    this.pools = undefined;
    await Promise.all([pools?.calls.destroy(), pools?.polls.destroy()]);
  }

  private queryOf(request: ConsulRequest): Record<string, string> {
    const { datacenter, namespace, partition } = this.target;
    const query = {
      dc: request.isCatalog === true ? datacenter : undefined,
      ns: namespace,
      partition,
      ...request.query,
    };
    return Object.fromEntries(Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined));
  }

  /** The pools; new ones where certificates changed, the old ones finish what they carry. */
  private async open(): Promise<Pools> {
    const { Pool: PoolClass } = await import('undici'); // Not loaded by sidecars of other registries.
    if (this.isClosed) throw new RegistryError('aborted', 'consul: closed');
    const { material, version } = this.tls();
    if (this.pools?.version === version) return this.pools;
    const retired = this.pools;
    const { origin, socketPath } = this.target;
    const connect = { ...material, timeout: CONNECT_TIMEOUT_MS, ...(socketPath === undefined ? {} : { socketPath }) };
    const calls = new PoolClass(origin, { connections: MAX_CALLS, pipelining: 1, connect });
    const polls = new PoolClass(origin, { connections: MAX_POLLS, pipelining: 1, connect });
    this.pools = { version, calls, polls };
    if (retired !== undefined) void Promise.allSettled([retired.calls.close(), retired.polls.close()]);
    return this.pools;
  }
}

/** A status that is no answer, as a RegistryError: what Consul says, shortened, without the token. */
export function refusal(status: number, text: string, path: string, token: string | undefined): RegistryError {
  const hidden = token === undefined ? text : text.replaceAll(token, '***');
  const shown = hidden
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, MAX_SHOWN);
  const where = `consul ${path.split('/').slice(2, 4).join('/')}: ${status}${shown === '' ? '' : ` ${shown}`}`;
  if (/ACL not found/i.test(text) || status === 401) return new RegistryError('unauthenticated', where);
  if (status === 403 || /Permission denied/i.test(text)) return new RegistryError('forbidden', where);
  if (status === 400 || status === 413) return new RegistryError('invalid', where);
  return new RegistryError(status >= 500 || status === 429 ? 'unavailable' : 'protocol', where);
}

/** Anything thrown on the way to Consul. */
export function failure(thrown: unknown, path: string): RegistryError {
  if (thrown instanceof RegistryError) return thrown;
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  const isTimeout = code !== undefined && /TIMEOUT|ETIMEDOUT/.test(code);
  const kind = isTimeout ? 'timeout' : 'unavailable';
  const what = code ?? (thrown instanceof Error ? thrown.name : 'failed');
  return new RegistryError(kind, `consul ${path.split('/').slice(2, 4).join('/')}: ${what}`, { cause: thrown });
}

async function readBody(
  body: AsyncIterable<Buffer>,
  isKept: boolean,
  onProgress: (() => void) | undefined,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new RegistryError('protocol', `consul: answer above ${MAX_BODY_BYTES} bytes`);
    if (isKept) chunks.push(chunk);
    onProgress?.();
  }
  return Buffer.concat(chunks).toString('utf8');
}
