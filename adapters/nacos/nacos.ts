// Adapter `nacos`: the shared core on one of the drivers.
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { asRegistryError } from '../../src/registry/types.ts';
import type { RegistryDriver } from '../../src/registry/driver.ts';
import { createAutoDriver } from './auto-driver.ts';
import { createNacosDriver, type NacosDriverOptions } from './driver.ts';
import { GrpcTransport } from './grpc-transport.ts';
import { HttpApi } from './http-api.ts';
import { LegacyApi } from './legacy-api.ts';
import { nacosSettings, sourceOf, type NacosDriverName, type NacosOptions } from './options.ts';
import { PollingTransport } from './polling-transport.ts';

export type { NacosOptions } from './options.ts';

type Make = (options: NacosDriverOptions) => RegistryDriver;

const grpc: Make = (options) => createNacosDriver(options, (parts) => new GrpcTransport(parts));
const http: Make = (options) => createNacosDriver(options, (parts) => new PollingTransport(parts, new HttpApi(parts)));
const legacy: Make = (options) =>
  createNacosDriver(options, (parts) => new PollingTransport(parts, new LegacyApi(parts)));
const auto: Make = (options) =>
  createAutoDriver(
    [
      { name: 'grpc', driver: grpc(options) },
      { name: 'http', driver: http(options) },
      { name: 'legacy', driver: legacy(options) },
    ],
    options,
  );
const DRIVERS: Readonly<Record<NacosDriverName, Make>> = { grpc, http, auto, legacy };

/**
 * Makes the adapter; a server that is away is a state. Throws RegistryError `invalid` for options that cannot be. Where
 * nothing explicit is said, `NACOS_ADDR` and its like of `env` are.
 */
export function createNacosAdapter(
  options: NacosOptions = {},
  context: RegistryContext = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): Registry {
  const settings = nacosSettings(options, env);
  const { clock, ttlMs, onEvent } = context;
  const driver = DRIVERS[settings.driver]({
    settings,
    ...(clock === undefined ? {} : { clock }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    onChoice: (name, reason) => onEvent?.({ kind: 'driver', name, ...(reason === undefined ? {} : { reason }) }),
  });
  return createRegistry(driver, sourceOf(settings), context);
}

/** How long a start may be held up by the question whether the server has the API of driver `legacy`. */
const V1_PROBE_MS = 500;

/** The same; driver `legacy` rejects with RegistryError `unsupported` where the server says that it has no API v1. */
export async function openNacosAdapter(options: NacosOptions = {}, context: RegistryContext = {}): Promise<Registry> {
  const registry = createNacosAdapter(options, context);
  if (options.driver !== 'legacy') return registry;
  const failure = await registry.ping(AbortSignal.timeout(V1_PROBE_MS)).then(
    () => undefined,
    (error: unknown) => asRegistryError(error, 'nacos'),
  );
  if (failure?.kind !== 'unsupported') return registry;
  await registry.close();
  throw failure;
}
