// Adapter `consul`: the shared core on the driver of one agent.
import { systemClock } from '../../src/util/clock.ts';
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { createConsulDriver } from './driver.ts';
import { consulTarget, type ConsulOptions } from './options.ts';

/**
 * Opens the registry behind an agent, with Consul's own variables for what the options leave out. Throws RegistryError
 * `invalid` for options that cannot be; an agent that is away is a state.
 */
export function createConsulAdapter(
  options: ConsulOptions = {},
  context: RegistryContext = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): Registry {
  const target = consulTarget(options, env);
  const { origin, socketPath, datacenter, namespace, partition } = target;
  const source = ['consul', socketPath ?? origin, datacenter, namespace, partition].filter(
    (part) => part !== undefined,
  );
  return createRegistry(createConsulDriver(target, context.clock ?? systemClock), source.join(' '), context);
}
