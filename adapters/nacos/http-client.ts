// How Nacos' HTTP port is reached: for the login, and by the drivers that use nothing else.
import { readFileSync } from 'node:fs';
import { Agent, buildConnector, request } from 'undici';
import { RegistryError } from '../../src/registry/types.ts';
import type { NacosEndpoint, NacosSettings, NacosTls } from './options.ts';

const CONNECT_TIMEOUT_MS = 3_000;
const ANSWER_TIMEOUT_MS = 5_000;
const MAX_CONNECTIONS = 8;
/** Statuses by which a server says that it does not have a path. */
export const ABSENT: ReadonlySet<number> = new Set([404, 405, 410, 501]);

/** Connections of its own, with bounds; closed by whoever made it. Certificate files are read at each connection. */
export function dispatcherFor(tls: NacosTls | undefined): Agent {
  return new Agent({
    connections: MAX_CONNECTIONS,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
    connect: (options, callback) => {
      try {
        buildConnector({ timeout: CONNECT_TIMEOUT_MS, ...(tls === undefined ? {} : tlsFrom(tls)) })(options, callback);
      } catch (error) {
        callback(error as Error, null);
      }
    },
  });
}

/** `http://host:8848/nacos`. */
export function baseUrl(endpoint: NacosEndpoint, settings: NacosSettings): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${settings.tls === undefined ? 'http' : 'https'}://${host}:${endpoint.port}${settings.contextPath}`;
}

/** One question. */
export interface HttpQuestion {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Without a query. */
  readonly url: string;
  /** In the body of a POST or PUT, in the query else: nothing secret, but in a POST. */
  readonly fields: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** A longer answer is refused. */
  readonly maxBytes: number;
}

/** Asks, whatever the status is. Rejects with undici's errors, or RegistryError `protocol` for an answer that is too long. */
export async function ask(dispatcher: Agent, question: HttpQuestion): Promise<{ status: number; text: string }> {
  const { method, url, fields, headers, signal, maxBytes } = question;
  const form = new URLSearchParams(fields).toString();
  const hasBody = method === 'POST' || method === 'PUT';
  const answer = await request(hasBody ? url : `${url}?${form}`, {
    method,
    headers: { ...headers, ...(hasBody ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
    ...(hasBody ? { body: form } : {}),
    signal,
    dispatcher,
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) throw new RegistryError('protocol', 'nacos: an answer that is too long');
  }
  return { status: answer.statusCode, text: Buffer.concat(chunks).toString('utf8') };
}

/** What a status says went wrong; undefined where it went well. @param text of the answer: what is wrong with our record. */
export function failureOfStatus(status: number, text: string, where: string): RegistryError | undefined {
  if (status === 200) return undefined;
  if (status === 401 || status === 403) return new RegistryError('forbidden', `nacos: ${where}: status ${status}`);
  if (ABSENT.has(status)) return new RegistryError('unsupported', `nacos: ${where}: status ${status}`);
  if (status === 400) return new RegistryError('invalid', `nacos: ${where}: status 400: ${text.slice(0, 200)}`);
  return new RegistryError('unavailable', `nacos: ${where}: status ${status}`);
}

function tlsFrom({ ca, cert, key, serverName }: NacosTls): Record<string, unknown> {
  return {
    ...(ca === undefined ? {} : { ca: read(ca) }),
    ...(cert === undefined ? {} : { cert: read(cert) }),
    ...(key === undefined ? {} : { key: read(key) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RegistryError('unavailable', `nacos: cannot read ${path}`, { cause: error });
  }
}
