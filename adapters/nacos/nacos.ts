// Adapter `nacos`: the shared core on one of the drivers.
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { RegistryError } from '../../src/registry/types.ts';
import { createGrpcDriver } from './grpc-driver.ts';
import { nacosSettings, sourceOf, type NacosOptions } from './options.ts';

export type { NacosOptions } from './options.ts';

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
  if (settings.driver !== 'grpc')
    throw new RegistryError('unsupported', `nacos: driver ${settings.driver} is not here`);
  const { clock, ttlMs } = context;
  const driver = createGrpcDriver({
    settings,
    ...(clock === undefined ? {} : { clock }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  });
  return createRegistry(driver, sourceOf(settings), context);
}
