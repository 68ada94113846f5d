// Two copies of a service, each with its sidecar, and a sidecar that calls them: real processes on one registry.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { startAppProcess, type AppProcess } from './apps.ts';
import { startSidecar, temporaryDirectory, type RunningSidecar } from './processes.ts';
import { until } from './until.ts';

/** Name of the service. */
export const SERVICE = 'orders';
/** Life of a record without a renewal. */
export const TTL_MS = 5_000;

/** One copy. */
export interface Copy {
  readonly id: string;
  readonly app: AppProcess;
  readonly sidecar: RunningSidecar;
}

/** Starts copies and callers of one registry. */
export class Topology {
  private readonly url: string;
  private readonly snapshots = temporaryDirectory();
  private readonly callerConfig: string;

  /** @param url `PILOTFISH_REGISTRY`. To be made within a test: everything ends with it. */
  constructor(url: string) {
    this.url = url;
    this.callerConfig = join(temporaryDirectory(), 'caller.yaml');
    const registry = `registry: { allowLoopback: true, snapshots: ${JSON.stringify(this.snapshots)} }`;
    writeFileSync(this.callerConfig, `${registry}\nupstreams: { ${SERVICE}: {} }\n`);
  }

  async copy(id: string, app?: AppProcess, inbound = '127.0.0.1:0'): Promise<Copy> {
    const served = app ?? (await startAppProcess(id));
    const sidecar = await startSidecar({
      PILOTFISH_REGISTRY: this.url,
      PILOTFISH_SERVICE: SERVICE,
      PILOTFISH_ID: id,
      PILOTFISH_APP: `127.0.0.1:${served.port}`,
      PILOTFISH_ADVERTISE: '127.0.0.1',
      PILOTFISH_INBOUND: inbound,
      PILOTFISH_HEALTH: '/',
      PILOTFISH_TTL: `${TTL_MS}ms`,
    });
    return { id, app: served, sidecar };
  }

  /** A sidecar without a service of its own, with snapshots: the next one reads what this one has written. */
  caller(): Promise<RunningSidecar> {
    return startSidecar({ PILOTFISH_REGISTRY: this.url, PILOTFISH_TTL: `${TTL_MS}ms` }, ['-c', this.callerConfig]);
  }
}

/** What `/upstreams` says of the endpoints of the service. */
export async function endpointsOf(
  caller: RunningSidecar,
): Promise<readonly { id: string; state: string; why: string }[]> {
  const { upstreams } = (await adminJson(caller, '/upstreams')) as {
    upstreams: { service: string; endpoints: { id: string; state: string; why: string }[] }[];
  };
  return upstreams.find(({ service }) => service === SERVICE)?.endpoints ?? [];
}

/** Ids of those that are picked, comma-separated. */
export async function pickedBy(caller: RunningSidecar): Promise<string> {
  const endpoints = await endpointsOf(caller);
  return endpoints
    .filter(({ state }) => state === 'available')
    .map(({ id }) => id)
    .sort()
    .join();
}

/** State of a sidecar's own record. */
export async function registrationOf({ sidecar }: Copy): Promise<string> {
  return ((await adminJson(sidecar, '/registration')) as { state: string }).state;
}

/** `ready`, `degraded` or why not. */
export async function readinessOf(sidecar: RunningSidecar): Promise<string> {
  return ((await adminJson(sidecar, '/readyz')) as { status: string }).status;
}

/** Any JSON view of the admin listener, whatever its status. */
export async function adminJson(sidecar: RunningSidecar, path: string): Promise<unknown> {
  const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}${path}`);
  return body.json();
}

/** Two copies and a caller that has both in its list. */
export async function startTopology(
  url: string,
): Promise<{ topology: Topology; a: Copy; b: Copy; caller: RunningSidecar }> {
  const topology = new Topology(url);
  const [a, b, caller] = await Promise.all([topology.copy('a'), topology.copy('b'), topology.caller()]);
  await until('both are picked', async () => (await pickedBy(caller)) === 'a,b');
  return { topology, a, b, caller };
}
