// Nacos' HTTP APIs for clients: v3 (3.x) or v2 (2.2 to 2.5), whichever the server has, as five calls.
import { request } from 'undici';
import type { Agent } from 'undici';
import { asRegistryError, RegistryError } from '../../src/registry/types.ts';
import type { Fields } from './answer.ts';
import { baseUrl, dispatcherFor } from './http-client.ts';
import type { Endpoints } from './link.ts';
import type { Login } from './login.ts';
import { groupedName, type NacosName } from './names.ts';
import type { NacosSettings } from './options.ts';
import type { NacosInstance } from './record.ts';

/** What the API needs. */
export interface HttpApiOptions {
  readonly settings: NacosSettings;
  readonly endpoints: Endpoints;
  readonly login: Login | undefined;
}

type Version = 'v3' | 'v2';
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** "Instance not found" and "resource not found": the record has to be written again. */
const UNKNOWN_CODES: ReadonlySet<unknown> = new Set([21_003, 20_404]);
/** Statuses by which a server says that it does not have this API. */
const ABSENT: ReadonlySet<number> = new Set([404, 405, 410, 501]);
/** What 2.x answers to a beat. */
const BEAT_TAKEN = 10_200;
const MAX_ANSWER_BYTES = 67_108_864;

/** Every call rejects with RegistryError. One writer: the driver. */
export class HttpApi {
  /** Grows at each failure of the way to the server: what it knew may be gone since. */
  outages = 0;
  private readonly options: HttpApiOptions;
  private readonly dispatcher: Agent;
  private version: Version | undefined = undefined;

  constructor(options: HttpApiOptions) {
    this.options = options;
    this.dispatcher = dispatcherFor(options.settings.tls);
  }

  async register(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<void> {
    await this.call('POST', (version) => ({ path: instancePath(version), fields: fieldsOf(name, instance) }), signal);
  }

  /** One heartbeat; false: the server does not know the record. */
  async beat(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<boolean> {
    const version = await this.apiVersion(signal);
    const fields = fieldsOf(name, instance);
    const answer =
      version === 'v3'
        ? await this.send('POST', instancePath(version), { ...fields, heartBeat: 'true' }, signal)
        : await this.send(
            'PUT',
            `${instancePath(version)}/beat`,
            { ...fields, serviceName: groupedName(name) },
            signal,
          );
    const data = answer['data'];
    const code = typeof data === 'object' && data !== null ? (data as Fields)['code'] : undefined;
    if (UNKNOWN_CODES.has(answer['code']) || UNKNOWN_CODES.has(code)) return false;
    assertOk(answer, 'beat');
    return true;
  }

  async deregister(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<void> {
    const answer = await this.send(
      'DELETE',
      instancePath(await this.apiVersion(signal)),
      fieldsOf(name, instance),
      signal,
    );
    if (!UNKNOWN_CODES.has(answer['code'])) assertOk(answer, 'deregister');
  }

  /** The whole list of a service; of an unknown one an empty list. */
  async list(name: NacosName, signal: AbortSignal): Promise<Fields> {
    const fields = { ...place(name), healthyOnly: 'false' };
    const answer = await this.call('GET', (version) => ({ path: `${instancePath(version)}/list`, fields }), signal);
    const { data } = answer;
    if (Array.isArray(data)) return { hosts: data as unknown[] }; // v3 gives the instances alone.
    if (typeof data !== 'object' || data === null)
      throw new RegistryError('protocol', 'nacos: an answer without a list');
    return data as Fields;
  }

  /** Names of the services of a group; v2 only. */
  async services(name: NacosName, signal: AbortSignal): Promise<string[]> {
    if ((await this.apiVersion(signal)) === 'v3') {
      throw new RegistryError(
        'unsupported',
        'nacos: the HTTP API of 3.x for clients lists no services; driver grpc does',
      );
    }
    const { namespaceId, groupName } = name;
    const fields = { namespaceId, groupName, pageNo: '1', pageSize: '10000' };
    const answer = await this.send('GET', '/v2/ns/service/list', fields, signal);
    assertOk(answer, 'service list');
    const services = (answer['data'] as Fields | undefined)?.['services'];
    return Array.isArray(services) ? services.filter((one) => typeof one === 'string') : [];
  }

  close(): Promise<void> {
    return this.dispatcher.destroy();
  }

  private async call(
    method: Method,
    make: (version: Version) => { readonly path: string; readonly fields: Readonly<Record<string, string>> },
    signal: AbortSignal,
  ): Promise<Fields> {
    const { path, fields } = make(await this.apiVersion(signal));
    const answer = await this.send(method, path, fields, signal);
    assertOk(answer, path);
    return answer;
  }

  /** Asked once: a list of nothing, which both have. */
  private async apiVersion(signal: AbortSignal): Promise<Version> {
    if (this.version !== undefined) return this.version;
    const probe = { namespaceId: 'public', groupName: 'DEFAULT_GROUP', serviceName: 'pilotfish-probe' };
    for (const version of ['v3', 'v2'] as const) {
      try {
        await this.send('GET', `${instancePath(version)}/list`, probe, signal);
      } catch (error) {
        if (error instanceof RegistryError && error.kind === 'unsupported') continue;
        if (!(error instanceof RegistryError) || error.kind !== 'forbidden') throw error; // 403: it is there.
      }
      this.version = version;
      return version;
    }
    throw new RegistryError('unsupported', 'nacos: the server has neither the v3 nor the v2 API');
  }

  private async send(
    method: Method,
    path: string,
    fields: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Fields> {
    const { login } = this.options;
    const first = await this.exchange(method, path, fields, signal);
    const isRefused = first.status === 401 || first.status === 403;
    const { status, text } =
      isRefused && login?.forget() === true ? await this.exchange(method, path, fields, signal) : first;
    if (status === 401 || status === 403) throw new RegistryError('forbidden', `nacos: ${path}: status ${status}`);
    const answer = parse(text);
    // A missing record is told by 404 as well, but with a code of Nacos'.
    if (answer?.['code'] !== undefined && UNKNOWN_CODES.has(answer['code'])) return answer;
    if (ABSENT.has(status)) {
      this.version = undefined; // It may have been another server's.
      throw new RegistryError('unsupported', `nacos: ${path}: status ${status}`);
    }
    if (status !== 200 || answer === undefined) {
      const why = status === 400 ? `: ${text.slice(0, 200)}` : ''; // What is wrong with our own record.
      throw new RegistryError(status === 400 ? 'invalid' : 'unavailable', `nacos: ${path}: status ${status}${why}`);
    }
    return answer;
  }

  private async exchange(
    method: Method,
    path: string,
    fields: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }> {
    const { endpoints, settings, login } = this.options;
    const headers = login === undefined ? {} : await login.headers(signal);
    const endpoint = endpoints.current;
    const query = new URLSearchParams(fields).toString();
    const hasBody = method === 'POST' || method === 'PUT';
    try {
      const answer = await request(`${baseUrl(endpoint, settings)}${path}${hasBody ? '' : `?${query}`}`, {
        method,
        headers: { ...headers, ...(hasBody ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
        ...(hasBody ? { body: query } : {}),
        signal,
        dispatcher: this.dispatcher,
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) throw new RegistryError('protocol', 'nacos: an answer that is too long');
      }
      return { status: answer.statusCode, text: Buffer.concat(chunks).toString('utf8') };
    } catch (error) {
      this.outages++;
      endpoints.failed(endpoint);
      throw asRegistryError(error, `nacos: ${endpoint.host}:${endpoint.port}`);
    }
  }
}

function instancePath(version: Version): string {
  return version === 'v3' ? '/v3/client/ns/instance' : '/v2/ns/instance';
}

function place(name: NacosName): Readonly<Record<string, string>> {
  return { namespaceId: name.namespaceId, groupName: name.groupName, serviceName: name.serviceName };
}

function fieldsOf(name: NacosName, instance: NacosInstance): Readonly<Record<string, string>> {
  return {
    ...place(name),
    ip: instance.ip,
    port: String(instance.port),
    clusterName: instance.clusterName,
    weight: String(instance.weight),
    healthy: String(instance.healthy),
    enabled: String(instance.enabled),
    ephemeral: 'true',
    metadata: JSON.stringify(instance.metadata),
  };
}

function assertOk(answer: Fields, where: string): void {
  if (answer['code'] === 0 || answer['code'] === BEAT_TAKEN) return;
  const text = typeof answer['message'] === 'string' ? answer['message'].slice(0, 200) : '';
  throw new RegistryError('unavailable', `nacos: ${where}: code ${String(answer['code'])}: ${text}`);
}

function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}
