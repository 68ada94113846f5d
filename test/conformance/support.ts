// What the cases share: instances to register, and watches that remember all they were told.
import { MAX_POLL_MS } from '../../adapters/nacos/polling-transport.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { serviceKey } from '../../src/registry/types.ts';
import type { RegistrationHandle, ServiceInstance, ServiceKey, ServiceView, Watch } from '../../src/registry/types.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { TTL_MS, type Space, until } from './harness.ts';

export const KEY = serviceKey('orders');

/** An ordinary instance. */
export function instance(id: string, change: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    key: KEY,
    id,
    host: '10.0.0.1',
    port: 8080,
    protocol: 'http',
    weight: 100,
    tags: [],
    metadata: {},
    health: 'passing',
    enabled: true,
    ...change,
  };
}

/** A watch that remembers every view and state. */
export interface Observed {
  readonly watch: Watch;
  readonly views: ServiceView[];
  readonly states: string[];
  /** Ids now, comma-separated; `-` before the first list. */
  ids(): string;
  find(id: string): ServiceInstance | undefined;
  /** Waits for what is to be seen; where the registry is polled, an interval longer. */
  until(what: string, withinMs: number, condition: () => boolean): Promise<void>;
}

/** How much later than elsewhere a change is seen in a registry that is polled, in ms. */
export function lagOf(registry: Registry): number {
  return registry.capabilities.watch === 'poll' ? MAX_POLL_MS + 500 : 0;
}

export function observe(registry: Registry, key: ServiceKey = KEY): Observed {
  const views: ServiceView[] = [];
  const states: string[] = [];
  const watch = registry.watch(key, { onView: (view) => views.push(view), onState: (state) => states.push(state) });
  return {
    watch,
    views,
    states,
    ids: () => watch.view?.snapshot.instances.map(({ id }) => id).join() ?? '-',
    find: (id) => watch.view?.snapshot.instances.find((member) => member.id === id),
    until: (what, withinMs, condition) => until(what, withinMs + lagOf(registry), condition),
  };
}

/** Registers and waits for the acknowledgement. */
export async function register(
  registry: Registry,
  own: ServiceInstance,
  ttlMs: number = TTL_MS,
): Promise<{ readonly handle: RegistrationHandle; readonly states: string[] }> {
  const handle = registry.register({ instance: own, ttlMs });
  const states: string[] = [];
  handle.onState((state) => states.push(state));
  await handle.registered(AbortSignal.timeout(10_000));
  return { handle, states };
}

/** The proxy that a space with the need `network` has. */
export function networkOf(space: Space): FaultProxy {
  if (space.network === undefined) throw new Error('this space has no proxy');
  return space.network;
}
