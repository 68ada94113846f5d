// What the rest of the program sees of the configuration: every value there, every default filled in, nothing writable.
import type { z } from 'zod';
import type { fileSchema } from './schema/config.ts';
import type { HostPort } from './schema/scalar.ts';
import type { upstream } from './schema/upstreams.ts';

export type { AdminAddress, HostPort } from './schema/scalar.ts';
export type { HealthProbe } from './schema/health-probe.ts';
export type { Advertise } from './schema/service.ts';
export type { StaticInstance } from './schema/registry.ts';
export type { BalancerName } from './schema/upstream-balancer.ts';

/** Readonly all the way down; Maps, functions and primitives as they are. */
type Frozen<T> = T extends (...args: never[]) => unknown
  ? T
  : T extends ReadonlyMap<infer Key, infer Value>
    ? ReadonlyMap<Key, Frozen<Value>>
    : T extends readonly (infer Item)[]
      ? readonly Frozen<Item>[]
      : T extends object
        ? { readonly [Key in keyof T]: Frozen<T[Key]> }
        : T;

type Sections = Frozen<z.output<typeof fileSchema>>;

/** Our own service: name, app, record, health check. */
export type ServiceConfig = NonNullable<Sections['service']>;
/** How a client's requests are read. */
export type HttpConfig = Sections['http'];
export type DrainConfig = Sections['drain'];
export type OverloadConfig = Sections['overload'];
export type LogConfig = Sections['log'];
export type AdminConfig = Sections['admin'];

/** Where services are registered and found. */
export type RegistryConfig = Omit<Sections['registry'], 'allowLoopback'> & { readonly allowLoopback: boolean };

export interface ListenersConfig {
  readonly inbound: Omit<Sections['listeners']['inbound'], 'address'> & { readonly address: HostPort };
  readonly outbound: Sections['listeners']['outbound'];
}

/** How one service is called: defaults, under `"*"`, under its own entry. */
export type UpstreamConfig = Omit<Frozen<z.output<typeof upstream>>, 'service'> & {
  /** What the app calls it. */
  readonly name: string;
  /** Whom the registry is asked for: a ServiceKey. */
  readonly key: { readonly namespace: string; readonly group: string; readonly service: string };
};

/** The effective configuration of one generation. Made by `loadConfig`; replaced as a whole, never edited. */
export interface Config {
  /** Undefined: a client-only sidecar. */
  readonly service: ServiceConfig | undefined;
  readonly registry: RegistryConfig;
  readonly listeners: ListenersConfig;
  readonly admin: AdminConfig;
  readonly http: HttpConfig;
  /** Those named in the configuration, `"*"` not among them: watched from the start. */
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
  /** What holds for a service that is not named; take it with `upstreamOptions`. */
  readonly upstreamDefaults: Omit<UpstreamConfig, 'name' | 'key'>;
  readonly overload: OverloadConfig;
  readonly drain: DrainConfig;
  readonly log: LogConfig;
}

/** The options of any upstream, named in the configuration or not; never fails, and makes no more than one object. */
export function upstreamOptions(config: Config, name: string): UpstreamConfig {
  return (
    config.upstreams.get(name) ?? {
      ...config.upstreamDefaults,
      name,
      key: { namespace: 'default', group: 'default', service: name },
    }
  );
}

/** Which adapter, and its part of the configuration: what `openRegistry` (adapters/index.ts) takes. */
export function registrySelection(registry: RegistryConfig): {
  readonly type: RegistryConfig['type'];
  readonly options: Readonly<Record<string, unknown>>;
} {
  const { type } = registry;
  return { type, options: type === 'static' ? Object.fromEntries(registry.static) : registry[type] };
}
