// Adapter `dns`: services that a name server knows. Discovery only: who runs the name server says who is there.
import { sleep, systemClock, type Clock } from '../../src/util/clock.ts';
import { abortable } from '../../src/registry/deadline.ts';
import { NO_RECORD, type Reading, type ReadingSink, type RegistryDriver } from '../../src/registry/driver.ts';
import { MAX_METADATA_BYTES } from '../../src/util/metadata.ts';
import { createRegistry, type Registry, type RegistryContext } from '../../src/registry/registry.ts';
import { RegistryError, type Capabilities, type ServiceKey } from '../../src/registry/types.ts';
import { Lookup, type Looked } from './lookup.ts';
import { dnsName, dnsSettings, type DnsOptions, type DnsSettings } from './options.ts';

const CAPABILITIES: Capabilities = {
  liveness: 'none',
  watch: 'poll',
  onExpiry: 'none',
  detectWithinMs: 0,
  nativeWeights: true,
  nativeHealth: false,
  exclusiveIds: false,
  tellsDeniedFromEmpty: false,
  minTtlMs: 0,
  maxMetadataBytes: MAX_METADATA_BYTES,
};

/** Records are asked for again when their TTL is over, but neither more often nor more rarely than this, in ms. */
const MIN_INTERVAL_MS = 1_000;
const MAX_INTERVAL_MS = 30_000;
/** Where there was no record to say it: soon, since a service that is not there yet may be wanted. */
const DEFAULT_INTERVAL_MS = 2_000;
/** So that many sidecars do not ask in step: up to a tenth more. */
const JITTER = 0.1;

/**
 * Throws RegistryError `invalid` for options that cannot be. `register` is accepted and does nothing: a sidecar of an own
 * service is `registered` from the start, as far as anybody can tell here.
 */
export function createDnsAdapter(options: DnsOptions = {}, context: RegistryContext = {}): Registry {
  const settings = dnsSettings({ ...options });
  const source = `dns ${settings.servers.join()} ${settings.template} ${settings.type} ${settings.port}`;
  return createRegistry(createDnsDriver(settings, context.clock ?? systemClock), source, context);
}

function createDnsDriver(settings: DnsSettings, clock: Clock): RegistryDriver {
  const lookup = new Lookup(settings);
  const read = async (key: ServiceKey, signal: AbortSignal): Promise<Looked> => abortable(lookup.look(key), signal);
  return {
    name: 'dns',
    capabilities: CAPABILITIES,
    // Each lookup ends by itself, so that nothing can fall silent.
    traits: { silenceMs: Infinity, callTimeoutMs: 10_000, verifyEveryBeats: 0, isLocal: false, isStatic: false },
    follow: async (key: ServiceKey, sink: ReadingSink, signal: AbortSignal) => {
      dnsName(settings, key);
      for (;;) {
        const looked = await read(key, signal);
        sink.reading(readingOf(looked));
        const ttlMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, looked.ttlMs ?? DEFAULT_INTERVAL_MS));
        await sleep(clock, ttlMs * (1 + JITTER * clock.random()), signal);
      }
    },
    read: async (key, signal) => readingOf(await read(key, signal)),
    list: () => Promise.reject(new RegistryError('unsupported', 'dns: names can be looked up, not listed')),
    ping: async (signal) => {
      await abortable(lookup.ping(), signal);
      return { epoch: 'dns' };
    },
    keep: () => NO_RECORD,
    close: () => {
      lookup.close();
      return Promise.resolve();
    },
  };
}

function readingOf({ instances, rejected }: Looked): Reading {
  const revision = instances
    .map(({ id }) => id)
    .sort()
    .join(' ');
  return { instances, rejected, revision, epoch: 'dns' };
}
