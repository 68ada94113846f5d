// Adapter `file`: the shared core on the directory driver.
import { systemClock } from '../../src/util/clock.ts';
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { createFileDriver, defaultDirectory } from './driver.ts';

/** What `registry.file` may say. */
export interface FileAdapterOptions {
  /** See `FileOptions.directory`. */
  readonly directory?: string;
}

/** Opens the registry of this host. Throws RegistryError `invalid` or `forbidden` for a directory that cannot be one. */
export function createFileAdapter(options: FileAdapterOptions = {}, context: RegistryContext = {}): Registry {
  const driver = createFileDriver({ ...options, clock: context.clock ?? systemClock });
  return createRegistry(driver, `file:${options.directory ?? defaultDirectory()}`, context);
}
