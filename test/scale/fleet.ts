// A part of the fleet: so many registrations, each with a watch of its own, on as many adapters in one process.
import { openRegistry } from '../../adapters/index.ts';
import { parseRegistryLocator } from '../../src/registry/locator.ts';
import { serviceKey, type RegistrationHandle, type Watch } from '../../src/registry/types.ts';
import type { FleetState } from './figures.ts';
import { countSentRequests } from './sent-requests.ts';

const [url = '', firstText = '0', countText = '1', allText = '1', ttlText = '10000'] = process.argv.slice(2);
const [first, count, all, ttlMs] = [firstText, countText, allText, ttlText].map(Number) as [
  number,
  number,
  number,
  number,
];
const sentRequests = await countSentRequests(url);
const handles: RegistrationHandle[] = [];
const watches: Watch[] = [];
const key = serviceKey('fleet');

for (let at = first; at < first + count; at++) {
  const registry = await openRegistry(parseRegistryLocator(url), { ttlMs });
  watches.push(registry.watch(key, {}));
  const instance = { key, id: `f${at}`, host: `10.9.${at >> 8}.${at & 255}`, port: 80, protocol: 'http' } as const;
  const rest = { weight: 100, tags: [], metadata: {}, health: 'passing', enabled: true } as const;
  handles.push(registry.register({ instance: { ...instance, ...rest, owner: `o${at}` }, ttlMs }));
}

process.on('message', () => {
  process.send?.({
    registered: handles.filter(({ state }) => state === 'registered').length,
    live: watches.filter(({ state }) => state === 'live').length,
    complete: watches.filter(({ view }) => view?.snapshot.instances.length === all).length,
    requests: sentRequests(),
  } satisfies FleetState);
});
