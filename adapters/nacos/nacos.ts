// Adapter `nacos`: the shared core on one of the drivers.
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { RegistryError } from '../../src/registry/types.ts';
import type { RegistryDriver } from '../../src/registry/driver.ts';
import { createAutoDriver } from './auto-driver.ts';
import { createGrpcDriver, type NacosDriverOptions } from './grpc-driver.ts';
import { createHttpDriver } from './http-driver.ts';
import { nacosSettings, sourceOf, type NacosDriverName, type NacosOptions } from './options.ts';

export type { NacosOptions } from './options.ts';

const DRIVERS: Readonly<Record<NacosDriverName, (options: NacosDriverOptions) => RegistryDriver>> = {
  grpc: createGrpcDriver,
  http: createHttpDriver,
  auto: createAutoDriver,
  legacy: () => {
    throw new RegistryError('unsupported', 'nacos: driver legacy is not in this version; grpc and http are');
  },
};

/**
 * Opens Nacos. Throws RegistryError `invalid` for options that cannot be, `unsupported` for a driver that is not there; a
 * server that is away is a state. Where nothing explicit is said, `NACOS_ADDR` and its like of `env` are.
 */
export function createNacosAdapter(
  options: NacosOptions = {},
  context: RegistryContext = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): Registry {
  const settings = nacosSettings(options, env);
  const { clock, ttlMs } = context;
  const driver = DRIVERS[settings.driver]({
    settings,
    ...(clock === undefined ? {} : { clock }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  });
  return createRegistry(driver, sourceOf(settings), context);
}
