// The composition root: builds a sidecar out of its parts, in the order in which they depend on each other.
import { openRegistry } from '../adapters/index.ts';
import type { AdminServer } from './admin/server.ts';
import { registrySelection } from './config/config.ts';
import type { Config } from './config/config.ts';
import { ProxyError } from './errors.ts';
import type { Direction, Handler, ProxyRequest } from './http/message.ts';
import { Lifecycle } from './listener/lifecycle.ts';
import { BindError, Listener } from './listener/listener.ts';
import { AccessLogHooks } from './middleware/access-log.ts';
import { trustedPeers } from './middleware/forwarded.ts';
import { MetricsHooks } from './middleware/metrics.ts';
import type { CompletionHooks } from './middleware/metrics.ts';
import { serviceKey } from './registry/types.ts';
import type { Registry } from './registry/registry.ts';
import { callApp, callOutside, callUpstream } from './resilience/call.ts';
import { BufferSpace } from './resilience/response-buffer.ts';
import { OutboundNames } from './router/outbound-name.ts';
import { openAccessLog } from './runtime/access-log-output.ts';
import { breakerLog } from './runtime/breaker-log.ts';
import type { ExplainParts } from './runtime/explain.ts';
import { Outside } from './runtime/outside.ts';
import { openOverload, type Overload } from './runtime/overload.ts';
import { OwnService } from './runtime/own-service.ts';
import { PanicGuard } from './runtime/panic.ts';
import { maxOpenFiles, roomFor } from './runtime/process-limits.ts';
import { logRegistryEvent } from './runtime/registry-log.ts';
import { panicLog } from './runtime/upstream-log.ts';
import { Serving, totalsOf } from './runtime/serving.ts';
import { inboundStack, outboundStack } from './runtime/stack.ts';
import { TrafficWatch } from './runtime/traffic-watch.ts';
import { metricsSources, startAdminListeners } from './sidecar-admin.ts';
import type { SidecarParts } from './sidecar-admin.ts';
import { stdoutWriter } from './telemetry/log-outputs.ts';
import type { LineWriter } from './telemetry/line-writer.ts';
import { Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { App } from './upstream/app.ts';
import type { BreakerDescription } from './upstream/breaker-view.ts';
import { http1Connect } from './upstream/http1-connect.ts';
import { Upstreams } from './upstream/upstreams.ts';
import { systemClock } from './util/clock.ts';
import type { Clock } from './util/clock.ts';
import { DeadlineLists } from './util/deadline-list.ts';

export interface SidecarOptions {
  readonly clock?: Clock;
}

/** A running sidecar. */
export interface Sidecar {
  /** Bound addresses, `host:port`; the inbound one only with an own service. */
  readonly addresses: Readonly<Record<'outbound' | 'admin', string> & Record<'inbound' | 'probes', string | undefined>>;
  /** Drains and ends; resolves when everything is closed. Any number of calls. */
  stop(reason: string): Promise<void>;
  /** After a rotation: goes on in a new access log of the same name. */
  reopenLogs(): void;
  /** For an exception or rejection that nobody caught, from the process around us: a bug, which ends nothing while anything works. */
  escaped(error: unknown): void;
  /** For what Node warns of. */
  warned(warning: Error): void;
  /** Resolves with the exit code once it has stopped: 0, or 70 where nothing worked any more. */
  readonly finished: Promise<number>;
}

const LOG_CLOSE_MS = 1_000; // a stalled disk may hold up the exit for so long

/**
 * Starts everything and resolves once the listeners are bound; registration waits for the app.
 * @throws Error with `exitCode`: 1 the registry's configuration is wrong, 4 a listener could not bind.
 */
export async function startSidecar(config: Config, options: SidecarOptions = {}): Promise<Sidecar> {
  const sidecar = new RunningSidecar(config, options.clock ?? systemClock);
  try {
    await sidecar.start();
    return sidecar;
  } catch (error) {
    await sidecar.abandon();
    if (error instanceof Error) throw Object.assign(error, { exitCode: error instanceof BindError ? 4 : 1 });
    throw error;
  }
}

/** Everything that a running sidecar consists of. */
class RunningSidecar implements Sidecar, SidecarParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  registry: Registry | undefined = undefined;
  upstreams: Upstreams | undefined = undefined;
  explain: ExplainParts | undefined = undefined;
  ownService: OwnService | undefined = undefined;
  inbound: Listener | undefined = undefined;
  outbound: Listener | undefined = undefined;
  lifecycle: Lifecycle | undefined = undefined;
  accessWriter: LineWriter | undefined = undefined;
  readonly stdout: LineWriter;
  readonly finished: Promise<number>;
  private readonly deadlines: DeadlineLists;
  private readonly servings: Serving[] = [];
  private readonly panic: PanicGuard;
  readonly overload: Overload;
  private admin: AdminServer | undefined = undefined;
  private probes: AdminServer | undefined = undefined;
  private outside: Outside | undefined = undefined;
  private traffic: TrafficWatch | undefined = undefined;
  private app: App | undefined = undefined;
  private stopping: Promise<void> | undefined = undefined;
  private finish: (code: number) => void = () => undefined;

  constructor(config: Config, clock: Clock) {
    this.config = config;
    this.clock = clock;
    this.deadlines = new DeadlineLists(clock);
    this.metrics = new Metrics(clock);
    this.stdout = stdoutWriter(clock);
    this.log = new Logger({
      level: config.log.level,
      writer: this.stdout,
      clock,
      base: config.service ? { service: config.service.name } : {},
    });
    this.finished = new Promise((resolve) => (this.finish = resolve));
    this.overload = openOverload(config.overload, clock, this.log, (isLate) => {
      for (const listener of [this.inbound, this.outbound]) listener?.throttle(isLate);
    });
    this.panic = new PanicGuard({
      clock,
      log: this.log,
      totals: () => totalsOf(this.servings),
      end: (code) => this.end(code),
    });
  }

  get addresses(): Sidecar['addresses'] {
    return {
      outbound: this.outbound?.addressText ?? '',
      inbound: this.inbound?.addressText,
      admin: this.admin?.address ?? '',
      probes: this.probes?.address,
    };
  }

  async start(): Promise<void> {
    const { config } = this;
    this.accessWriter = await openAccessLog(config.log, this.stdout, this.clock, this.log);
    await this.openRegistry();
    await this.openOutbound();
    if (config.service !== undefined) await this.openInbound(config.service);
    this.lifecycle = this.makeLifecycle();
    this.metrics.sources = metricsSources(this);
    [this.admin, this.probes] = await startAdminListeners(this);
    this.ownService?.start();
    this.lifecycle.started();
    for (const [listener, address] of Object.entries(this.addresses))
      if (address) this.log.info('listening', { listener, address });
    this.log.info('started', { registry: config.registry.type });
  }

  stop(reason: string): Promise<void> {
    this.stopping ??= this.run(reason);
    return this.stopping;
  }

  reopenLogs(): void {
    this.accessWriter
      ?.reopen()
      .catch((error: unknown) => this.log.error('the access log cannot be opened anew', { error }));
  }

  escaped(error: unknown): void {
    this.panic.escaped(error);
  }

  warned({ name, message }: Error): void {
    this.log.warn('Node warns', { warning: name, reason: message });
  }

  /** Closes what a failed start has opened. */
  async abandon(): Promise<void> {
    this.outbound?.destroy();
    this.inbound?.destroy();
    await this.close();
  }

  private async run(reason: string): Promise<void> {
    this.log.info('stopping', { reason });
    await this.lifecycle?.stop();
    await this.close();
    this.log.info('stopped');
    this.end(0);
  }

  private end(code: number): void {
    this.stdout.flushSync();
    this.finish(code);
  }

  private async close(): Promise<void> {
    this.ownService?.stop();
    this.overload.close();
    this.traffic?.close();
    this.upstreams?.destroy(new ProxyError('PF_DRAINING', 'the sidecar has stopped'));
    this.outside?.close();
    this.app?.close();
    await Promise.all([this.admin?.close(), this.probes?.close(), this.registry?.close()]);
    if (this.accessWriter !== this.stdout) await this.accessWriter?.close(LOG_CLOSE_MS);
  }

  private async openRegistry(): Promise<void> {
    const { config, clock } = this;
    const { ttlMs, guard, snapshots, allowLoopback } = config.registry;
    this.registry = await openRegistry(registrySelection(config.registry), {
      clock,
      ttlMs,
      guard,
      allowLoopback,
      ...(snapshots === undefined ? {} : { snapshots }),
      ownAddresses: () => this.ownAddresses(),
      onEvent: (event) => logRegistryEvent(this.log, event),
    });
  }

  private async openOutbound(): Promise<void> {
    const { config, clock, deadlines, registry } = this;
    if (registry === undefined) return;
    const connect = http1Connect(clock, deadlines, config.http.limits);
    const logBreaker = breakerLog(this.log);
    const onBreaker = (name: string, change: BreakerDescription): void => {
      logBreaker(name, change);
      this.upstreams?.get(name)?.upstream.decisions.changed(`breaker ${change.state}: ${change.why}`, clock.now());
    };
    const callOf = (name: string): { readonly handle: Handler } | undefined => this.upstreams?.get(name)?.call;
    const space = new BufferSpace(() => this.overload.pressure !== 'none');
    const context = { clock, deadlines, space, onBreaker, callOf };
    const upstreams = new Upstreams({
      clock,
      connect,
      watch: (key, options) => registry.watch(key, options),
      configured: config.upstreams.values(),
      defaults: config.upstreamDefaults,
      call: (upstream) => callUpstream(upstream, context),
      onPanic: panicLog(this.log),
    });
    const outside = new Outside({
      clock,
      connect,
      options: config.upstreamDefaults,
      call: (upstream) => callOutside(upstream, context).handle,
    });
    this.upstreams = upstreams;
    this.outside = outside;
    this.traffic = new TrafficWatch({
      clock,
      breakers: () => upstreams.breakers(),
      totals: (name) => this.metrics.outbound.peek(name)?.totals(),
    });
    const names = new OutboundNames(config.http.suffix, config.listeners.outbound.passthrough);
    this.explain = { clock, names, paths: config.http.paths, upstreams };
    const handle = outboundStack({
      clock,
      isTrusted: trustedPeers(config.http.trusted),
      names,
      toService: (name, request) => upstreams.handle(name, request),
      toOutside: (host, port, request) => outside.handle(host, port, request),
    });
    this.outbound = await this.bind('outbound', handle, () => false);
  }

  private async openInbound(service: NonNullable<Config['service']>): Promise<void> {
    const { config, clock, deadlines, registry, log } = this;
    if (registry === undefined) return;
    const connect = http1Connect(clock, deadlines, config.http.limits);
    const isUp = (): boolean => this.ownService?.isAppUp ?? false;
    this.app = new App({ key: serviceKey(service.name), ...service.app, isUp }, clock, connect);
    const handle = inboundStack({
      clock,
      isTrusted: trustedPeers(config.http.trusted),
      service: service.name,
      isDraining: () => this.lifecycle?.isDraining('inbound') ?? false,
      toApp: callApp(this.app, { clock, deadlines }).handle,
    });
    const { probe } = service.health;
    const healthTarget = probe.kind === 'http' ? probe.path : undefined;
    this.inbound = await this.bind('inbound', handle, ({ path, query }) => path + query === healthTarget);
    const isLocal = config.registry.type === 'file';
    this.ownService = new OwnService({
      service,
      registry,
      ttlMs: config.registry.ttlMs,
      isLocal,
      clock,
      log,
      inbound: this.inbound.address,
    });
  }

  private makeLifecycle(): Lifecycle {
    const { clock, config, inbound, outbound, log } = this;
    if (outbound === undefined) throw new Error('the outbound listener is bound first');
    return new Lifecycle({
      clock,
      ...config.drain,
      inbound,
      outbound,
      leave: (deadlineMs) => this.ownService?.leave(deadlineMs) ?? Promise.resolve(),
      rejoin: () => this.ownService?.rejoin(),
      onPhase: (phase) => log.debug('phase', { phase }),
    });
  }

  /** @param isVital answered whatever the load. */
  private bind(direction: Direction, handle: Handler, isVital: (request: ProxyRequest) => boolean): Promise<Listener> {
    const { address, limits } = this.config.listeners[direction];
    const context = this.serving(direction, handle, isVital);
    const listeners = this.config.service === undefined ? 1 : 2;
    return Listener.bind(direction, address, {
      context,
      room: roomFor(limits.connections, listeners, maxOpenFiles()),
    });
  }

  private serving(direction: Direction, handle: Handler, isVital: (request: ProxyRequest) => boolean): Serving {
    const { config, clock, deadlines, log } = this;
    const { stallMs, idleMs } = config.upstreamDefaults.timeout;
    const hooks: CompletionHooks[] = [new MetricsHooks(this.metrics)];
    if (this.accessWriter !== undefined) hooks.unshift(new AccessLogHooks(this.accessWriter, clock));
    const serving = new Serving({
      direction,
      clock,
      deadlines,
      limits: config.http.limits,
      paths: config.http.paths,
      timeouts: { headMs: config.http.headTimeoutMs, idleMs, stallMs, writeStallMs: idleMs },
      handle,
      hooks,
      log,
      overload: this.overload,
      maxRequests: config.listeners[direction].limits.requests,
      isVital,
      endsConnections: () => this.lifecycle?.endsConnections(direction) ?? false,
    });
    this.servings.push(serving);
    return serving;
  }

  private ownAddresses(): { host: string; port: number }[] {
    const { admin } = this.config;
    const adminPort = Number(/:(\d+)$/.exec(this.admin?.address ?? '')?.[1]);
    return [
      ...(this.outbound === undefined ? [] : [this.outbound.address]),
      ...(admin.address.kind === 'tcp' && adminPort > 0 ? [{ host: admin.address.host, port: adminPort }] : []),
    ];
  }
}
