// What an operator sees of a running sidecar and may do to it: its parts' own descriptions, under the names of the admin listener.
import { createHash } from 'node:crypto';
import { startAdmin } from './admin/server.ts';
import type { AdminServer } from './admin/server.ts';
import type { AdminControls, AdminSources } from './admin/sources.ts';
import { readinessOf } from './admin/readiness.ts';
import type { AdminAddress, Config } from './config/config.ts';
import { maskedConfig } from './config/mask.ts';
import { causeChain } from './errors.ts';
import type { Lifecycle } from './listener/lifecycle.ts';
import { BindError } from './listener/listener.ts';
import type { Listener } from './listener/listener.ts';
import type { Registry } from './registry/registry.ts';
import { keyText } from './registry/types.ts';
import { explainRequest, lastDecisions } from './runtime/explain.ts';
import type { ExplainParts } from './runtime/explain.ts';
import { MEMORY_PRESSURES, type Overload } from './runtime/overload.ts';
import type { OwnService } from './runtime/own-service.ts';
import type { LineWriter } from './telemetry/line-writer.ts';
import type { Logger } from './telemetry/logger.ts';
import type { MetricsSources, OverloadFacts } from './telemetry/metric-sources.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { describeUpstream, upstreamFacts } from './upstream/describe.ts';
import type { Upstreams } from './upstream/upstreams.ts';
import type { Clock } from './util/clock.ts';

/** The parts that are looked at; those that are undefined are not there yet, or never will be. */
export interface SidecarParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly registry: Registry | undefined;
  readonly upstreams: Upstreams | undefined;
  readonly explain: ExplainParts | undefined;
  readonly ownService: OwnService | undefined;
  readonly inbound: Listener | undefined;
  readonly outbound: Listener | undefined;
  readonly lifecycle: Lifecycle | undefined;
  readonly overload: Overload;
  readonly stdout: LineWriter;
  readonly accessWriter: LineWriter | undefined;
}

/** Binds the admin listener and, where configured, the probes. @throws BindError */
export async function startAdminListeners(
  sidecar: SidecarParts & { stop(reason: string): Promise<void> },
): Promise<[admin: AdminServer, probes: AdminServer | undefined]> {
  const { clock, config, log } = sidecar;
  const sources = adminSources(sidecar);
  const controls = adminControls(sidecar);
  const options = { clock, onError: (error: unknown) => log.error('the admin listener met a bug', { error }) };
  const start = (address: AdminAddress, probesOnly: boolean): Promise<AdminServer> =>
    startAdmin(address, sources, controls, { ...options, probesOnly }).catch((error: unknown) => {
      throw new BindError(error as Error);
    });
  const admin = await start(config.admin.address, false);
  const { probes } = config.admin;
  if (probes === undefined) return [admin, undefined];
  try {
    return [admin, await start({ kind: 'tcp', ...probes }, true)];
  } catch (error) {
    await admin.close();
    throw error;
  }
}

/** The values of others that a scrape shows. */
export function metricsSources(sidecar: SidecarParts): MetricsSources {
  const { clock } = sidecar;
  return {
    // A label never comes from a request: a name that the registry has not confirmed has no series.
    upstreams: () =>
      [...(sidecar.upstreams?.all() ?? [])]
        .filter(({ upstream }) => upstream.isKnown)
        .map((entry) => upstreamFacts(entry, clock.now())),
    registry: () => {
      const status = sidecar.registry?.status;
      return status && { name: status.name, isUp: status.isUp !== false, listenerErrors: status.listenerErrors };
    },
    registration: () => sidecar.ownService?.status.state,
    connections: () => ({ inbound: sidecar.inbound?.size ?? 0, outbound: sidecar.outbound?.size ?? 0 }),
    overload: () => overloadFacts(sidecar),
    config: () => ({ generation: 1, lastReloadSuccessful: true }),
    logs: () => ({
      process: sidecar.stdout,
      ...(sidecar.accessWriter === undefined ? {} : { access: sidecar.accessWriter }),
    }),
  };
}

function overloadFacts({ overload, inbound, outbound }: SidecarParts): OverloadFacts {
  const { memoryRatio, pressure, isLate, areFilesUsedUp } = overload;
  const turnedAway = (listener: Listener | undefined) => ({
    limit: listener?.refused ?? 0,
    overload: listener?.dropped ?? 0,
    silent: listener?.displaced ?? 0,
  });
  return {
    memoryRatio,
    memory: MEMORY_PRESSURES.indexOf(pressure),
    loop: isLate ? 1 : 0,
    files: areFilesUsedUp ? 1 : 0,
    refused: { inbound: turnedAway(inbound), outbound: turnedAway(outbound) },
  };
}

/** The views of one sidecar; each reads what is true at that moment. */
function adminSources(sidecar: SidecarParts): AdminSources {
  const { clock, config, metrics } = sidecar;
  const masked = maskedConfig(config);
  const etag = createHash('sha256').update(JSON.stringify(masked)).digest('hex').slice(0, 32);
  const entries = () => [...(sidecar.upstreams?.all() ?? [])];
  return {
    isLive: () => true,
    isStarted: () => sidecar.lifecycle !== undefined && sidecar.lifecycle.phase !== 'starting',
    readiness: () => {
      const phase = sidecar.lifecycle?.phase ?? 'starting';
      const { ownService } = sidecar;
      return readinessOf({
        phase,
        isLeaving: phase !== 'starting' && phase !== 'serving',
        upstreams: entries()
          .filter(({ isConfigured }) => isConfigured)
          .map(({ upstream }) => ({
            name: upstream.name,
            state: upstream.state,
            hasList: upstream.view !== undefined,
          })),
        registration: ownService?.status,
        appProblem: ownService === undefined || ownService.isAppUp ? undefined : ownService.appReason,
        isRegistryUp: sidecar.registry?.status.isUp,
      });
    },
    config: () => ({ masked, etag, generation: 1 }),
    upstreams: () => ({ upstreams: entries().map((entry) => describeUpstream(entry, clock.now())) }),
    explain: (question) => (sidecar.explain === undefined ? {} : explainRequest(sidecar.explain, question)),
    decisions: (last) => (sidecar.upstreams === undefined ? [] : lastDecisions(sidecar.upstreams, last, clock)),
    registration: () => registrationView(sidecar),
    registry: () => registryView(sidecar),
    metrics: () => metrics.render(),
  };
}

/** What an operator may set in motion. */
function adminControls(sidecar: SidecarParts & { stop(reason: string): Promise<void> }): AdminControls {
  return {
    drain: () => void sidecar.lifecycle?.drain(),
    undrain: () => sidecar.lifecycle?.undrain(),
    quit: () => void sidecar.stop('POST /quit'),
    setLogLevel: (level) => {
      const before = sidecar.log.level;
      sidecar.log.level = level;
      return before;
    },
  };
}

function registrationView({ ownService, clock }: SidecarParts): unknown {
  if (ownService === undefined) return { service: null, state: 'none' };
  const { instance, state, reason, promisedUntilMs } = ownService.status;
  return {
    service: ownService.name,
    state,
    reason: reason ?? null,
    promisedForMs: promisedUntilMs === 0 ? null : Math.round(promisedUntilMs - clock.now()),
    app: { isUp: ownService.isAppUp, reason: ownService.appReason },
    instance,
  };
}

function registryView({ registry }: SidecarParts): unknown {
  if (registry === undefined) return {};
  const { name, isUp, watches, registrations, listenerErrors } = registry.status;
  return {
    name,
    isUp: isUp ?? null,
    capabilities: registry.capabilities,
    listenerErrors,
    registrations: registrations.map(({ instance, state }) => ({ id: instance.id, state })),
    watches: watches.map(({ key, state, stalenessMs, lastError, stats }) => ({
      service: keyText(key),
      state,
      stalenessMs: Math.round(stalenessMs),
      lastError: lastError === undefined ? null : causeChain(lastError),
      stats,
    })),
  };
}
