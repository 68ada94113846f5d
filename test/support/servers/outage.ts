// One real server of each registry as something that can go away: killed, frozen, emptied, started again.
import { parseRegistryLocator } from '../../../src/registry/locator.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { openRegistry } from '../../../adapters/index.ts';
import { ConsulProcess, findConsul } from './consul.ts';
import { EtcdProcess, findEtcd } from './etcd.ts';
import { owned, type OwnedVersion } from './index.ts';
import { findNacos, NacosProcess } from './nacos.ts';

/** A running one, ours to break. */
export interface BreakableRegistry {
  /** What `PILOTFISH_REGISTRY` says. */
  readonly url: string;
  /** −9; nothing listens any more. */
  kill(): Promise<void>;
  /** Starts it on the same port with the data that it has kept; resolves when it answers. */
  restart(): Promise<void>;
  /** Killed, its data forgotten, started again. */
  wipe(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Looks at it past all sidecars. */
  open(): Promise<Registry>;
  close(): Promise<void>;
}

/** The newest version of a registry that is there. */
export interface Candidate {
  /** Like `etcd 3.6.16`. */
  readonly title: string;
  start(): Promise<BreakableRegistry>;
}

interface Server {
  readonly address: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  wipe?(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  close(): Promise<void>;
}

/** The newest etcd that can be started here; where there is none, `findServers` has told. */
export async function breakableEtcd(): Promise<Candidate | undefined> {
  return candidate('etcd', owned(await findEtcd()).at(-1), ({ found }) => EtcdProcess.start(found));
}

/** The newest Consul. */
export async function breakableConsul(): Promise<Candidate | undefined> {
  return candidate('Consul', owned(await findConsul()).at(-1), (version) => ConsulProcess.start(version));
}

/** The newest Nacos. */
export async function breakableNacos(): Promise<Candidate | undefined> {
  return candidate('Nacos', owned(await findNacos()).at(-1), ({ found }) => NacosProcess.start(found));
}

function candidate(
  name: string,
  version: OwnedVersion | undefined,
  start: (version: OwnedVersion) => Promise<Server>,
): Candidate | undefined {
  if (version === undefined) return undefined;
  return {
    title: `${name} ${version.version}`,
    start: async () => asBreakable(name.toLowerCase(), await start(version)),
  };
}

function asBreakable(scheme: string, server: Server): BreakableRegistry {
  const url = `${scheme}://${server.address}`;
  return {
    url,
    kill: () => server.kill(),
    restart: () => server.restart(),
    wipe: async () => {
      if (server.wipe !== undefined) return server.wipe();
      await server.kill(); // Nacos has ephemeral instances in memory alone.
      await server.restart();
    },
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    open: () => openRegistry(parseRegistryLocator(url), { allowLoopback: true }),
    close: () => server.close(),
  };
}
