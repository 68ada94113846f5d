// Adapter `etcd`: the shared core on the etcd driver.
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { systemClock } from '../../src/util/clock.ts';
import { createEtcdDriver } from './driver.ts';
import { resolveOptions, type EtcdOptions } from './options.ts';

/** Opens the registry. Throws RegistryError `invalid` for options or certificates that cannot be used; connects later. */
export function createEtcdAdapter(options: EtcdOptions = {}, context: RegistryContext = {}): Registry {
  const settings = resolveOptions(options);
  const driver = createEtcdDriver(settings, context.clock ?? systemClock);
  const source = `etcd:${[...settings.hosts].sort().join()}${settings.prefix}:${settings.format}`;
  return createRegistry(driver, source, context);
}
