// Our own service: its app's health, its record in the registry, and the gate that answers for an app that is down.
import { networkInterfaces } from 'node:os';
import type { ServiceConfig } from '../config/config.ts';
import { Registrar } from '../registry/registrar.ts';
import type { RegistrarStatus } from '../registry/registrar.ts';
import type { Registry } from '../registry/registry.ts';
import type { ServiceInstance } from '../registry/types.ts';
import type { Log } from '../telemetry/logger.ts';
import { HealthChecker } from '../upstream/health-checker.ts';
import type { Clock } from '../util/clock.ts';

export interface OwnServiceParts {
  readonly service: ServiceConfig;
  readonly registry: Registry;
  readonly ttlMs: number;
  /** The registry serves this host alone: others reach us at 127.0.0.1. */
  readonly isLocal: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the inbound listener is bound, with the real port. */
  readonly inbound: { readonly host: string; readonly port: number };
}

/** Checks the app from `start` on; registers it at the first pass; keeps the record true until `leave`. */
export class OwnService {
  readonly name: string;
  private readonly parts: OwnServiceParts;
  private readonly checker: HealthChecker;
  private readonly registrar: Registrar;

  constructor(parts: OwnServiceParts) {
    const { service, registry, ttlMs, clock, log } = parts;
    this.parts = parts;
    this.name = service.name;
    this.registrar = new Registrar(registry, { instance: recordOf(parts), ttlMs });
    const { host, port } = service.app;
    this.checker = new HealthChecker(clock, { host, port, ...service.health }, (state, reason) => {
      if (state === 'passing') log.info('the app is healthy', { app: `${host}:${port}` });
      else log.warn('the app is not healthy', { app: `${host}:${port}`, reason });
      this.registrar.setHealth(state === 'passing' ? 'passing' : 'critical', reason);
    });
  }

  start(): void {
    this.checker.start();
  }

  /** False while its check fails, and before the first has ended: requests are then answered for it. */
  get isAppUp(): boolean {
    return this.checker.state === 'passing';
  }

  /** What the last check found. */
  get appReason(): string {
    return this.checker.reason;
  }

  get status(): RegistrarStatus {
    return this.registrar.status;
  }

  /** Takes the record away within the deadline, after the time that callers need to read that it leaves; never rejects. */
  leave(deadlineMs: number): Promise<'removed' | 'left-to-expire'> {
    return this.registrar.leave({ deadlineMs }).then((result) => {
      this.parts.log.info('left the registry', { result });
      return result;
    });
  }

  rejoin(): void {
    this.registrar.rejoin();
  }

  stop(): void {
    this.checker.stop();
  }
}

function recordOf({ service, isLocal, inbound }: OwnServiceParts): ServiceInstance {
  const host = service.advertise?.host ?? (isLocal ? '127.0.0.1' : reachableHost(inbound.host));
  const port = service.advertise?.port ?? inbound.port;
  return {
    key: { namespace: 'default', group: 'default', service: service.name },
    id: service.id ?? `${service.name}-${host}-${port}`,
    host,
    port,
    protocol: 'http',
    weight: service.weight,
    ...(service.zone === undefined ? {} : { zone: service.zone }),
    tags: service.tags,
    metadata: service.metadata,
    health: 'unknown',
    enabled: true,
  };
}

/** What others reach us at where configuration does not say: the listener's own address, or the first that is not loopback. */
function reachableHost(bound: string): string {
  if (bound !== '0.0.0.0' && bound !== '::') return bound;
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return (outside.find(({ family }) => family === 'IPv4') ?? outside[0])?.address ?? '127.0.0.1';
}
