// What the polling transport asks of Nacos' HTTP APIs, whichever of them it is.
import type { Fields } from './answer.ts';
import type { NacosName } from './names.ts';
import type { NacosInstance } from './record.ts';

/** Every call rejects with RegistryError, and never takes a failure for an empty list. */
export interface InstanceApi {
  /** Grows at each failure of the way to the server: what it knew may be gone since. */
  readonly outages: number;
  /** Writes a record, or writes it anew. */
  register(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<void>;
  /** One heartbeat; false: the server does not know the record. */
  beat(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<boolean>;
  /** Resolves as well where the record is gone already. */
  deregister(name: NacosName, instance: NacosInstance, signal: AbortSignal): Promise<void>;
  /** The whole list of a service; of an unknown one an empty list. */
  list(name: NacosName, signal: AbortSignal): Promise<Fields>;
  /** Names of the services of a group. */
  services(any: NacosName, signal: AbortSignal): Promise<string[]>;
  close(): Promise<void>;
}
