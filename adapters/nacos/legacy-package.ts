// The npm package `nacos`, as far as it is used: its caller of the v1 API, with our HTTP client in the place of its own.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { RegistryError } from '../../src/registry/types.ts';

/** What our HTTP client is asked for by the package. */
export interface PackageQuestion {
  readonly url: string;
  readonly method: string;
  readonly fields: Readonly<Record<string, string>>;
}

export interface PackageAnswer {
  readonly status: number;
  readonly text: string;
  /** Which it was asked with. */
  readonly token: string | undefined;
}

/** One of our calls while it runs through the package: what it would swallow is kept here. */
export interface PackageCall {
  readonly signal: AbortSignal;
  answer?: PackageAnswer;
  failure?: RegistryError;
}

/** An instance as the package takes it. Its own class is left out: it makes weight 0 a 1. */
export interface PackageInstance {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly clusterName: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** `NameProxy` of nacos-naming 2.6. What it resolves to says nothing: see `PackageCall`. */
export interface NameProxy {
  registerService(groupedName: string, groupName: string, instance: PackageInstance): Promise<unknown>;
  deregisterService(groupedName: string, instance: PackageInstance): Promise<unknown>;
  queryList(groupedName: string, clusters: string, udpPort: number, healthyOnly: boolean): Promise<unknown>;
  sendBeat(beat: Readonly<Record<string, unknown>>): Promise<unknown>;
  getServiceList(pageNo: number, pageSize: number, groupName: string): Promise<unknown>;
}

/** Where the proxy sends to. Neither user nor password are among it. */
export interface ProxyOptions {
  readonly serverList: readonly string[];
  readonly namespace: string;
  readonly ssl: boolean;
  readonly exchange: (question: PackageQuestion, signal: AbortSignal) => Promise<PackageAnswer>;
}

type ProxyClass = new (options: Readonly<Record<string, unknown>>) => NameProxy;

const calls = new AsyncLocalStorage<PackageCall>();
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };

/**
 * Loads the package and makes its caller. Its client class is never made: that would open a UDP port which believes anybody,
 * take failures for empty lists, and beat for the first time after 10 s. Throws RegistryError `unsupported`.
 */
export function openNameProxy({ serverList, namespace, ssl, exchange }: ProxyOptions): NameProxy {
  return new (loadClass())({
    serverList,
    namespace,
    ssl,
    logger: silent, // It would log errors with whole URLs.
    aliyunCredentialsProvider: () => ({}), // Else it looks for some in the environment, and signs with them.
    httpclient: {
      request: async (url: string, { method, data }: { method: string; data: Readonly<Record<string, string>> }) => {
        const call = calls.getStore();
        if (call === undefined) throw new RegistryError('aborted', 'nacos: a call that nobody has made');
        try {
          call.signal.throwIfAborted();
          call.answer = await exchange({ url, method, fields: data }, call.signal);
          return { status: call.answer.status, data: call.answer.text };
        } catch (error) {
          call.failure = error as RegistryError;
          throw error;
        }
      },
    },
  });
}

/** Runs one call through the package; what its last exchange has brought. Rejects with the exchange's error. */
export async function throughPackage(signal: AbortSignal, run: () => Promise<unknown>): Promise<PackageAnswer> {
  const call: PackageCall = { signal };
  await calls.run(call, run).catch(() => undefined); // It tells neither status nor cause; the call does.
  if (call.answer !== undefined) return call.answer;
  throw call.failure ?? new RegistryError('protocol', 'nacos: the package has sent nothing');
}

function loadClass(): ProxyClass {
  const require = createRequire(import.meta.url);
  try {
    const ofPackage = createRequire(require.resolve('nacos'));
    return ofPackage('nacos-naming/lib/naming/proxy.js') as ProxyClass;
  } catch (cause) {
    throw new RegistryError('unsupported', 'nacos: driver legacy needs the npm package nacos 2.6', { cause });
  }
}
