// Nacos' HTTP APIs for clients: v3 (3.x) or v2 (2.2 to 2.5), whichever the server has, as five calls.
import type { Agent } from 'undici';
import { abortable, withDeadline } from '../../src/registry/deadline.ts';
import { asRegistryError, RegistryError } from '../../src/registry/types.ts';
import type { Fields } from './answer.ts';
import type { TransportParts } from './driver.ts';
import { ABSENT, ask, baseUrl, dispatcherFor, failureOfStatus } from './http-client.ts';
import type { InstanceApi } from './instance-api.ts';
import type { Login } from './login.ts';
import { groupedName, type NacosName } from './names.ts';
import type { NacosInstance } from './record.ts';

type Version = 'v3' | 'v2';
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** "Instance not found" and "resource not found": the record has to be written again. */
const UNKNOWN_CODES: ReadonlySet<unknown> = new Set([21_003, 20_404]);
/** What 2.x answers to a beat. */
const BEAT_TAKEN = 10_200;
const MAX_ANSWER_BYTES = 67_108_864;
/** Which API there is, is asked with a deadline of its own: a call's is spent on the call. */
const DETECT_TIMEOUT_MS = 10_000;

/** One writer: the transport. */
export class HttpApi implements InstanceApi {
  outages = 0;
  private readonly parts: TransportParts;
  private readonly dispatcher: Agent;
  private readonly closing = new AbortController();
  private version: Version | undefined = undefined;
  private detecting: Promise<Version> | undefined = undefined;

  constructor(parts: TransportParts) {
    this.parts = parts;
    this.dispatcher = dispatcherFor(parts.settings.tls);
  }

  async register(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<void> {
    await this.call('POST', (version) => ({ path: instancePath(version), fields: fieldsOf(name, instance) }), signal);
  }

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
    this.closing.abort(new RegistryError('aborted', 'nacos: closed'));
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

  private apiVersion(signal: AbortSignal): Promise<Version> {
    if (this.version !== undefined) return Promise.resolve(this.version);
    this.detecting ??= withDeadline(this.parts.clock, DETECT_TIMEOUT_MS, [this.closing.signal], (limit) =>
      this.detect(limit),
    ).finally(() => (this.detecting = undefined));
    return abortable(this.detecting, signal);
  }

  /** Asks both for a list of nothing, without a token: also a refusal says that they are there. */
  private async detect(signal: AbortSignal): Promise<Version> {
    const probe = { namespaceId: 'public', groupName: 'DEFAULT_GROUP', serviceName: 'pilotfish-probe' };
    const isThere = async (version: Version): Promise<boolean> => {
      const { status, text } = await this.exchange('GET', `${instancePath(version)}/list`, probe, signal);
      if (status === 401 || status === 403) return true;
      if (ABSENT.has(status)) return UNKNOWN_CODES.has(parse(text)?.['code']);
      if (status === 200) return parse(text) !== undefined;
      throw new RegistryError('unavailable', `nacos: ${instancePath(version)}: status ${status}`);
    };
    this.parts.login?.headers(signal).catch(() => undefined); // Meanwhile: whoever needs it hears of its failure.
    const [hasV3, hasV2] = await Promise.all([isThere('v3'), isThere('v2')]);
    if (!hasV3 && !hasV2) {
      throw new RegistryError('unsupported', 'nacos: the server has neither the v3 nor the v2 API');
    }
    this.version = hasV3 ? 'v3' : 'v2';
    return this.version;
  }

  private async send(
    method: Method,
    path: string,
    fields: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Fields> {
    const { login } = this.parts;
    const once = (): ReturnType<HttpApi['exchange']> => this.exchange(method, path, fields, signal, login);
    const first = await once();
    const isRefused = first.status === 401 || first.status === 403;
    const { status, text } = isRefused && login?.forget(first.token) === true ? await once() : first;
    const answer = parse(text);
    // A missing record is told by 404 as well, but with a code of Nacos'.
    if (answer?.['code'] !== undefined && UNKNOWN_CODES.has(answer['code'])) return answer;
    const failure = failureOfStatus(status, text, path);
    if (failure?.kind === 'unsupported') this.version = undefined; // It may have been another server's.
    if (failure !== undefined) throw failure;
    if (answer === undefined) throw new RegistryError('protocol', `nacos: ${path}: no JSON`);
    return answer;
  }

  private async exchange(
    method: Method,
    path: string,
    fields: Readonly<Record<string, string>>,
    signal: AbortSignal,
    login?: Login,
  ): Promise<{ status: number; text: string; token: string | undefined }> {
    const { endpoints, settings } = this.parts;
    const endpoint = endpoints.current;
    try {
      const headers = (await login?.headers(signal)) ?? {};
      const url = `${baseUrl(endpoint, settings)}${path}`;
      const question = { method, url, fields, headers, signal, maxBytes: MAX_ANSWER_BYTES };
      return { ...(await ask(this.dispatcher, question)), token: headers['accessToken'] };
    } catch (thrown) {
      const error = asRegistryError(thrown, `nacos: ${endpoint.host}:${endpoint.port}`);
      if (error.kind === 'unavailable' || error.kind === 'timeout') {
        this.outages++;
        endpoints.failed(endpoint);
      }
      throw error;
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
