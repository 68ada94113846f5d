// Driver `auto`: gRPC where its port answers, else HTTP. Chosen by the first call that finds either, and kept from then on.
import type { DriverTraits, Holder, RecordKeeper, RegistryDriver } from '../../src/registry/driver.ts';
import type { Capabilities, ServiceInstance } from '../../src/registry/types.ts';
import { asRegistryError } from '../../src/registry/types.ts';
import { createGrpcDriver, type NacosDriverOptions } from './grpc-driver.ts';
import { createHttpDriver } from './http-driver.ts';

/** What it promises is what both keep. */
export function createAutoDriver(options: NacosDriverOptions): RegistryDriver {
  const grpc = createGrpcDriver(options);
  const http = createHttpDriver(options);
  let chosen: RegistryDriver | undefined;
  const choose = async (signal: AbortSignal): Promise<RegistryDriver> => {
    if (chosen !== undefined) return chosen;
    // Both are asked at once: gRPC is taken if it answers at all, since a call's time does not do for one after the other.
    const [byGrpc, byHttp] = await Promise.allSettled([grpc.ping(signal), http.ping(signal)]);
    const isDenied = (error: unknown): boolean =>
      ['forbidden', 'unauthenticated'].includes(asRegistryError(error, 'nacos').kind);
    if (byGrpc.status === 'fulfilled' || isDenied(byGrpc.reason)) chosen ??= grpc;
    else if (byHttp.status === 'fulfilled') chosen ??= http;
    else throw asRegistryError(byGrpc.reason, 'nacos: neither gRPC nor HTTP');
    return chosen;
  };
  const capabilities: Capabilities = { ...http.capabilities, detectWithinMs: grpc.capabilities.detectWithinMs };
  const traits: DriverTraits = http.traits;
  return {
    name: 'nacos',
    capabilities,
    traits,
    follow: async (key, sink, signal) => (await choose(signal)).follow(key, sink, signal),
    read: async (key, signal) => (await choose(signal)).read(key, signal),
    list: async (prefix, signal) => (await choose(signal)).list(prefix, signal),
    ping: async (signal) => (await choose(signal)).ping(signal),
    keep: (instance, ttlMs, events) => {
      http.keep(instance, ttlMs, events).close(); // Checks what both check; sends nothing.
      return new LateKeeper(async (signal) => (await choose(signal)).keep(instance, ttlMs, events));
    },
    close: async () => {
      await Promise.all([grpc.close(), http.close()]);
    },
  };
}

/** A keeper whose driver is not known yet. */
class LateKeeper implements RecordKeeper {
  private readonly make: (signal: AbortSignal) => Promise<RecordKeeper>;
  private made: RecordKeeper | undefined = undefined;

  constructor(make: (signal: AbortSignal) => Promise<RecordKeeper>) {
    this.make = make;
  }

  async holder(signal: AbortSignal): Promise<Holder | undefined> {
    return (await this.keeper(signal)).holder(signal);
  }

  async put(instance: ServiceInstance, replacing: Holder | undefined, signal: AbortSignal): Promise<void> {
    await (await this.keeper(signal)).put(instance, replacing, signal);
  }

  async update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'> {
    return (await this.keeper(signal)).update(instance, signal);
  }

  async refresh(signal: AbortSignal): Promise<'kept' | 'lost'> {
    return (await this.keeper(signal)).refresh(signal);
  }

  async remove(signal: AbortSignal): Promise<void> {
    await (await this.keeper(signal)).remove(signal);
  }

  close(): void {
    this.made?.close();
  }

  private async keeper(signal: AbortSignal): Promise<RecordKeeper> {
    this.made ??= await this.make(signal);
    return this.made;
  }
}
