// Whether this sidecar should be given work, and why not: the rule behind /readyz.
import type { RegistrarStatus } from '../registry/registrar.ts';
import type { WatchState } from '../registry/types.ts';
import type { Readiness } from './sources.ts';

/** What the rule looks at. */
export interface ReadinessFacts {
  readonly phase: string;
  /** True from the first step of a stop or of POST /drain on. */
  readonly isLeaving: boolean;
  /** Upstreams that the configuration names. */
  readonly upstreams: readonly { readonly name: string; readonly state: WatchState; readonly hasList: boolean }[];
  /** Undefined for a client-only sidecar. */
  readonly registration: RegistrarStatus | undefined;
  /** The own app: what its health check found, where it does not pass. */
  readonly appProblem: string | undefined;
  /** False where the registry cannot be heard. */
  readonly isRegistryUp: boolean | undefined;
}

/**
 * Ready once every named upstream has a list (a held one will do) and an own service was registered once, or cannot be
 * because the registry is away while the lists are held. `degraded` is ready, too: it works from what was last known.
 */
export function readinessOf(facts: ReadinessFacts): Readiness {
  const { phase, upstreams, registration, appProblem, isRegistryUp } = facts;
  if (facts.isLeaving) return { status: 'draining', reasons: [`the sidecar is ${phase}`], phase };
  const missing: string[] = [];
  const held: string[] = [];
  if (phase === 'starting') missing.push('the listeners are not bound yet');
  for (const { name, state, hasList } of upstreams) {
    if (!hasList) missing.push(`upstream ${name}: no list yet (${state})`);
    else if (state === 'stale' || state === 'denied') held.push(`upstream ${name}: a held list (${state})`);
  }
  if (registration !== undefined) {
    const { state, reason, wasRegistered } = registration;
    const why = reason === undefined ? '' : `: ${reason}`;
    if (appProblem !== undefined) missing.push(`the app is not healthy: ${appProblem}`);
    else if (state === 'registered') {
      // As it should be.
    } else if (wasRegistered || (isRegistryUp === false && upstreams.some(({ hasList }) => hasList))) {
      held.push(`registration ${state}${why}`);
    } else missing.push(`registration ${state}${why}`);
  }
  if (isRegistryUp === false) held.push('the registry cannot be heard');
  if (missing.length > 0) return { status: 'not-ready', reasons: [...missing, ...held], phase };
  if (held.length > 0) return { status: 'degraded', reasons: held, phase };
  return { status: 'ready', reasons: grounds(facts), phase };
}

/** Why it is ready: never nothing. */
function grounds({ upstreams, registration }: ReadinessFacts): string[] {
  const all: string[] = [];
  if (registration !== undefined) all.push(`registered as ${registration.instance.id}`);
  if (upstreams.length > 0) all.push(`every upstream of the configuration has a list (${upstreams.length})`);
  return all.length > 0 ? all : ['the listeners are bound, and the configuration names nothing to wait for'];
}
