// Nacos' HTTP API v1, through the npm package `nacos`: for servers that have nothing newer.
import type { Agent } from 'undici';
import { asRegistryError, RegistryError } from '../../src/registry/types.ts';
import { parseFields, type Fields } from './answer.ts';
import type { TransportParts } from './driver.ts';
import { ask, dispatcherFor, failureOfStatus, type HttpQuestion } from './http-client.ts';
import type { InstanceApi } from './instance-api.ts';
import { openNameProxy, throughPackage } from './legacy-package.ts';
import type { NameProxy, PackageAnswer, PackageQuestion } from './legacy-package.ts';
import { groupedName, type NacosName } from './names.ts';
import type { NacosInstance } from './record.ts';

/** Where the package thinks that the API is. */
const PACKAGE_PATH = '/nacos/v1/ns/';
const MAX_ANSWER_BYTES = 67_108_864;
const PAGE_SIZE = 10_000;
/** "Resource not found": what a beat is answered for a record that the server does not know. */
const UNKNOWN_CODE = 20_404;

/** One writer: the transport. */
export class LegacyApi implements InstanceApi {
  outages = 0;
  private readonly parts: TransportParts;
  private readonly dispatcher: Agent;
  private readonly proxies = new Map<string, NameProxy>();

  constructor(parts: TransportParts) {
    this.parts = parts;
    this.dispatcher = dispatcherFor(parts.settings.tls);
  }

  async register(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<void> {
    await this.call(name, signal, (proxy) => proxy.registerService(groupedName(name), name.groupName, instance));
  }

  async beat(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<boolean> {
    const { ip, port, clusterName: cluster, weight, metadata } = instance;
    const beat = { serviceName: groupedName(name), ip, port, cluster, weight, metadata, scheduled: false };
    const answer = await this.call(name, signal, (proxy) => proxy.sendBeat(beat));
    return parseFields(answer)['code'] !== UNKNOWN_CODE;
  }

  async deregister(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<void> {
    await this.call(name, signal, (proxy) => proxy.deregisterService(groupedName(name), instance));
  }

  async list(name: NacosName, signal: AbortSignal): Promise<Fields> {
    const answer = parseFields(
      await this.call(name, signal, (proxy) => proxy.queryList(groupedName(name), '', 0, false)),
    );
    if (!Array.isArray(answer['hosts'])) throw new RegistryError('protocol', 'nacos: an answer without a list');
    return answer;
  }

  async services(any: NacosName, signal: AbortSignal): Promise<string[]> {
    const answer = await this.call(any, signal, (proxy) => proxy.getServiceList(1, PAGE_SIZE, any.groupName));
    const names = parseFields(answer)['doms'];
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  }

  close(): Promise<void> {
    return this.dispatcher.destroy();
  }

  private async call(
    name: NacosName,
    signal: AbortSignal,
    run: (proxy: NameProxy) => Promise<unknown>,
  ): Promise<string> {
    const { login } = this.parts;
    const once = (): Promise<PackageAnswer> => throughPackage(signal, () => run(this.proxy(name.namespaceId)));
    const first = await once();
    const isRefused = first.status === 401 || first.status === 403;
    const { status, text } = isRefused && login?.forget(first.token) === true ? await once() : first;
    const failure = failureOfStatus(status, text, 'API v1');
    if (failure?.kind !== 'unsupported') {
      if (failure !== undefined) throw failure;
      return text;
    }
    throw new RegistryError(
      'unsupported',
      `nacos: the server has no API v1 (status ${status}); drivers grpc and http do`,
    );
  }

  private proxy(namespace: string): NameProxy {
    let proxy = this.proxies.get(namespace);
    if (proxy === undefined) {
      const { endpoints, tls } = this.parts.settings;
      const serverList = endpoints.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
      const exchange = (question: PackageQuestion, signal: AbortSignal): Promise<PackageAnswer> =>
        this.exchange(question, signal);
      proxy = openNameProxy({ serverList, namespace, ssl: tls !== undefined, exchange });
      this.proxies.set(namespace, proxy);
    }
    return proxy;
  }

  private async exchange({ url, method, fields }: PackageQuestion, signal: AbortSignal): Promise<PackageAnswer> {
    const { login, endpoints, settings } = this.parts;
    const loginEndpoint = endpoints.current;
    const { origin, host, pathname } = new URL(url);
    try {
      const { accessToken } = (await login?.headers(signal)) ?? {};
      // Old servers read tokens from the one, new ones from either.
      const headers = accessToken === undefined ? {} : { accessToken, authorization: `Bearer ${accessToken}` };
      const answer = await ask(this.dispatcher, {
        method: method as HttpQuestion['method'],
        url: `${origin}${pathname.replace(PACKAGE_PATH, `${settings.contextPath}/v1/ns/`)}`,
        fields,
        headers,
        signal,
        maxBytes: MAX_ANSWER_BYTES,
      });
      return { ...answer, token: accessToken };
    } catch (thrown) {
      const error = asRegistryError(thrown, `nacos: ${host}`);
      if (error.kind === 'unavailable' || error.kind === 'timeout') {
        this.outages++;
        endpoints.failed(loginEndpoint);
      }
      throw error;
    }
  }
}
