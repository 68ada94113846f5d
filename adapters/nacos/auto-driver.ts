// Driver `auto`: gRPC where its port answers, else HTTP, else the API of old servers. Found once, and kept from then on.
import { abortable, withDeadline } from '../../src/registry/deadline.ts';
import type { DriverTraits, Holder, RecordKeeper, RegistryDriver } from '../../src/registry/driver.ts';
import { systemClock } from '../../src/util/clock.ts';
import { asRegistryError, RegistryError } from '../../src/registry/types.ts';
import type { Capabilities, RegistryErrorKind, ServiceInstance } from '../../src/registry/types.ts';
import type { NacosDriverOptions } from './driver.ts';
import type { NacosDriverName } from './options.ts';

/** A driver that `auto` may take. */
export interface Candidate {
  readonly name: NacosDriverName;
  readonly driver: RegistryDriver;
}

/** A port that a firewall swallows is not waited for any longer, in ms. */
const PING_TIMEOUT_MS = 5_000;
/** Who says so is there, and speaks this. */
const ANSWERS: ReadonlySet<RegistryErrorKind> = new Set(['forbidden', 'unauthenticated']);

/** @param candidates in the order of preference. What `auto` promises is what all of them keep. */
export function createAutoDriver(
  candidates: readonly [Candidate, ...Candidate[]],
  { clock = systemClock, onChoice }: NacosDriverOptions,
): RegistryDriver {
  const closing = new AbortController();
  let chosen: RegistryDriver | undefined;
  let choosing: Promise<RegistryDriver> | undefined;

  /** All are asked at once, with deadlines of their own: a call's time does not do for one after the other. */
  const ask = async (): Promise<RegistryDriver> => {
    const answers = candidates.map(({ driver }) =>
      withDeadline(clock, PING_TIMEOUT_MS, [closing.signal], (signal) => driver.ping(signal)).then(
        () => undefined,
        (error: unknown) => asRegistryError(error, 'nacos'),
      ),
    );
    let why: RegistryError | undefined;
    for (const [index, { name, driver }] of candidates.entries()) {
      const failure = await answers[index];
      if (failure === undefined || ANSWERS.has(failure.kind)) {
        onChoice?.(name, why);
        chosen = driver;
        return driver;
      }
      why ??= failure;
    }
    throw new RegistryError('unavailable', 'nacos: no driver finds a server', { cause: why });
  };
  const choose = (signal: AbortSignal): Promise<RegistryDriver> => {
    if (chosen !== undefined) return Promise.resolve(chosen);
    choosing ??= ask().finally(() => (choosing = undefined));
    return abortable(choosing, signal);
  };

  const drivers = candidates.map(({ driver }) => driver);
  const last = drivers.at(-1) ?? candidates[0].driver;
  const detectWithinMs = Math.max(...drivers.map((driver) => driver.capabilities.detectWithinMs));
  const capabilities: Capabilities = { ...last.capabilities, detectWithinMs };
  const traits: DriverTraits = last.traits;
  return {
    name: 'nacos',
    capabilities,
    traits,
    follow: async (key, sink, signal) => (await choose(signal)).follow(key, sink, signal),
    read: async (key, signal) => (await choose(signal)).read(key, signal),
    list: async (prefix, signal) => (await choose(signal)).list(prefix, signal),
    ping: async (signal) => (await choose(signal)).ping(signal),
    keep: (instance, ttlMs, events) => {
      last.keep(instance, ttlMs, events).close(); // Checks what all check; sends nothing.
      return new LateKeeper(async (signal) => (await choose(signal)).keep(instance, ttlMs, events));
    },
    close: async () => {
      closing.abort(new RegistryError('aborted', 'nacos: closed'));
      await Promise.all(drivers.map((driver) => driver.close()));
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
