// A service as its callers see it: policy, endpoints, and one picker that is replaced whenever anything changes.
import type { Picker } from '../balancer/picker.ts';
import { PANIC_TEXT, type Panic } from '../balancer/priority.ts';
import { ProxyError } from '../errors.ts';
import { differences } from '../registry/by-id.ts';
import { keyText } from '../registry/types.ts';
import type { ServiceInstance, ServiceKey, ServiceView, Snapshot } from '../registry/types.ts';
import type { Watch, WatchOptions, WatchState } from '../registry/types.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Subset } from '../util/labels.ts';
import type { Connect } from './connect.ts';
import { Decisions } from './decisions.ts';
import { ActiveChecks, type CheckScope } from './active-checks.ts';
import { Ejections, type EjectionScope } from './ejections.ts';
import { Endpoint, type Claim, type EndpointOwner } from './endpoint.ts';
import { AttemptTally } from './failure-share.ts';
import type { ForwardTarget } from './forward-target.ts';
import { HangWatch, type HangScope } from './hang-watch.ts';
import type { UpstreamOptions } from './options.ts';
import { noOutcomes, type Outcome, type OutcomeCounts } from './outcome.ts';
import type { EjectionCause } from './outlier.ts';
import { Outlook } from './outlook.ts';
import { PickQueue } from './pick-queue.ts';
import { UpstreamLoad } from './upstream-load.ts';
import { Picking } from './picking.ts';
import { isAnotherWell } from './placement.ts';
import { reviewPlaces } from './places.ts';
import { Prewarmer } from './prewarmer.ts';
import type { ProbeSlots } from './probe-slots.ts';
import { SuspectProber } from './suspects.ts';

/** What an upstream needs of a running watch; a `Watch` is one. */
export type WatchHandle = Pick<Watch, 'close' | 'lastError' | 'probeFailed' | 'stalenessMs'>;

/** Subscribes to one service: `ServiceDiscovery.watch`. May throw where no service can have that key. */
export type WatchService = (key: ServiceKey, options: WatchOptions) => WatchHandle;

/** Which service, under which name, called how. */
export interface UpstreamIdentity {
  /** What the app calls it: the label of metrics and logs. */
  readonly name: string;
  /** Whom the registry is asked for. */
  readonly key: ServiceKey;
  readonly options: UpstreamOptions;
  /** Named in the configuration, or seen before: it exists, even while the registry names no instance. */
  readonly isKnown: boolean;
}

export interface UpstreamContext {
  readonly clock: Clock;
  readonly connect: Connect;
  readonly watch: WatchService;
  /** Health is not believed any more, or is again. */
  readonly onPanic?: (upstream: string, panic: Panic) => void;
  /** Shared by all upstreams, for their health checks. */
  readonly probeSlots?: ProbeSlots;
}

/** Requests wait at most this long for the first list, counted from when the watch began. */
const FIRST_LIST_MS = 1_000;
/** With more endpoints than this, what health changes within `COALESCE_MS` makes one new picker. */
const REBUILD_AT_ONCE = 256;
const COALESCE_MS = 20;

/** One writer of all its state: itself, from its watch and from the outcomes of its claims. */
export class Upstream implements ForwardTarget, EndpointOwner, EjectionScope, HangScope, CheckScope {
  readonly name: string;
  readonly key: ServiceKey;
  readonly options: UpstreamOptions;
  /** Attempts by outcome, since the start, over all endpoints that ever were. */
  readonly outcomes: OutcomeCounts = noOutcomes();
  readonly load: UpstreamLoad;
  readonly attempts = new AttemptTally();
  readonly queue: PickQueue;
  readonly hangs: HangWatch | undefined;
  /** For people: what was decided last, and why. */
  readonly decisions = new Decisions();
  readonly picking: Picking;
  state: WatchState = 'syncing';
  view: ServiceView | undefined = undefined;
  isKnown: boolean;
  isClosed = false;
  private readonly context: UpstreamContext;
  private readonly byId = new Map<string, Endpoint>();
  /** Those whose place in the picker may have changed since it was built. */
  private readonly touched = new Set<Endpoint>();
  private readonly leaving = new Set<Endpoint>();
  private readonly ejections: Ejections;
  private readonly checks: ActiveChecks | undefined;
  private readonly prober: SuspectProber;
  private readonly prewarmer: Prewarmer | undefined;
  readonly outlook: Outlook;
  private readonly watch: WatchHandle;
  private readonly firstListTimer: Timer;
  private rebuildTimer: Timer | undefined = undefined;
  private rebuildAtMs = 0;
  /** A list came that was not read from a disk: who is new from now on is new. */
  private hasHeardRegistry = false;

  /** Begins to watch. Throws what `context.watch` throws. */
  constructor(identity: UpstreamIdentity, context: UpstreamContext) {
    const { name, key, options, isKnown } = identity;
    this.name = name;
    this.key = key;
    this.options = options;
    this.isKnown = isKnown;
    this.context = context;
    this.load = new UpstreamLoad(name, options.limits);
    this.queue = new PickQueue(this.load);
    this.picking = new Picking(options, context.clock);
    this.ejections = new Ejections(context.clock, options.outlier, this);
    // Hedging asks it what is normal.
    const isWatched = options.timeout.hang !== 'off' || options.hedging !== undefined;
    this.hangs = isWatched ? new HangWatch(context.clock, options.timeout, this) : undefined;
    this.checks = options.health && new ActiveChecks(context.clock, options.health, this, context.probeSlots);
    this.prober = new SuspectProber(context.clock, (id) => this.watch.probeFailed(id));
    const { minIdle } = options.connect;
    this.prewarmer = minIdle > 0 ? new Prewarmer(context.clock, minIdle, this.load) : undefined;
    this.outlook = new Outlook(context.clock, options.outlier, () => this.byId.values());
    this.watch = context.watch(key, {
      onView: (view) => this.apply(view),
      onState: (state) => this.onState(state),
    });
    this.firstListTimer = context.clock.setTimer(FIRST_LIST_MS, () => this.giveUpWaiting('no list came in time'));
  }

  get picker(): Picker<Endpoint> {
    return this.picking.picker;
  }

  pickerFor(subset: Subset): Picker<Endpoint> {
    return this.picking.pickerFor(subset);
  }

  /** A picker like the present one, whose picks change nothing of that: for explanations. */
  get trialPicker(): Picker<Endpoint> {
    return this.picking.trial();
  }

  /** Those that the registry names. */
  get endpoints(): Iterable<Endpoint> {
    return this.byId.values();
  }

  /** Those that it names no more, which finish what is in flight. */
  get drainingEndpoints(): Iterable<Endpoint> {
    return this.leaving;
  }

  /** Requests on their way, over all endpoints. */
  get inFlight(): number {
    let sum = 0;
    for (const { inFlight } of [...this.byId.values(), ...this.leaving]) sum += inFlight;
    return sum;
  }

  /** Age of what is known, in ms. */
  get stalenessMs(): number {
    return this.watch.stalenessMs;
  }

  /** Takes a list: known endpoints keep their state, new ones open lazily, missing ones drain; then one new picker. */
  apply(view: ServiceView): void {
    if (this.isClosed) return;
    const { instances, rejected, origin } = view.snapshot;
    const before = this.view;
    this.view = view;
    this.firstListTimer.cancel();
    if (instances.length > 0 || rejected.length > 0) this.isKnown = true;
    for (const { before: old, now } of differences(before?.snapshot.instances ?? [], instances)) {
      const endpoint = old && this.byId.get(old.id);
      if (endpoint !== undefined && now !== undefined && isSamePlace(endpoint.instance, now))
        this.update(endpoint, now);
      else {
        if (endpoint !== undefined) this.drain(endpoint);
        if (now !== undefined) this.open(now, origin);
      }
    }
    this.mark(before, view);
    this.hangs?.resize(this.byId.size);
    if (origin === 'live') this.hasHeardRegistry = true;
    for (const endpoint of this.ejections.trim()) this.touched.add(endpoint);
    this.rebuild();
    this.checks?.watch(this.byId);
    this.prober.watch([...view.suspects].flatMap((id) => this.byId.get(id) ?? []));
    this.prewarmer?.watch(this.byId.values());
  }

  onSettled(endpoint: Endpoint, outcome: Outcome, claim: Claim, nowMs: number): void {
    this.outcomes[outcome]++;
    this.outlook.settled(outcome);
    if (endpoint.isDraining) {
      if (endpoint.inFlight === 0) this.leaving.delete(endpoint);
      return;
    }
    if (outcome !== 'cancelled') this.ejections.settled(endpoint, outcome, claim, nowMs);
  }

  /** What a registered sidecar said of itself (forward.ts). */
  eject(endpoint: Endpoint, cause: EjectionCause): void {
    this.ejections.eject(endpoint, cause);
  }

  onHung(endpoint: Endpoint): boolean {
    if (endpoint.isDraining) return this.byId.size > 0;
    this.ejections.eject(endpoint, 'hung');
    return endpoint.outlier.isEjected || isAnotherWell(endpoint, this.byId.values());
  }

  onChecked(endpoint: Endpoint, isWell: boolean): void {
    if (isWell) this.ejections.readmit(endpoint);
    this.onEjectionsChanged(endpoint);
  }

  onPassed(endpoint: Endpoint, startedAtMs: number): void {
    // A kernel opens connections also for a process that has hung.
    if (this.options.health?.probe.kind === 'tcp' && endpoint.outlier.isEjectedFor('hung')) return;
    this.ejections.passed(endpoint, startedAtMs);
  }

  onEjectionsChanged(endpoint: Endpoint): void {
    this.touched.add(endpoint);
    if (this.byId.size <= REBUILD_AT_ONCE) this.rebuild();
    else this.rebuildIn(COALESCE_MS);
  }

  onFailing(endpoint: Endpoint, cause: EjectionCause): void {
    // What answered there is another service: no connection that can be opened says anything else.
    if (cause === 'misdirected' && endpoint.isSuspect) this.watch.probeFailed(endpoint.id);
    else this.prober.probeNow(endpoint);
  }

  /** Why nobody could be picked, as the error of a request. */
  unavailable(reason: string): ProxyError {
    // A list arrives before the state that it leads to: its own origin says whether the registry has spoken.
    const origin = this.state === 'stale' || this.state === 'denied' ? 'held' : this.view?.snapshot.origin;
    const isHeard = origin === 'live' || origin === 'static';
    const code = isHeard && !this.isKnown ? 'PF_NO_ROUTE' : 'PF_NO_ENDPOINT';
    return new ProxyError(code, `upstream ${this.name}: ${reason}`, isHeard ? {} : { cause: this.watch.lastError });
  }

  asSeenByCaller(error: ProxyError): ProxyError {
    return error;
  }

  /** Ends the watch; endpoints drain, what waits fails. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.watch.close();
    this.ejections.close();
    this.hangs?.close();
    this.checks?.close();
    this.prober.close();
    this.prewarmer?.close();
    this.rebuildTimer?.cancel();
    for (const endpoint of this.byId.values()) this.drain(endpoint);
    this.giveUpWaiting('it is closed');
  }

  /** As `close`, and ends what is in flight. */
  destroy(reason: ProxyError): void {
    const endpoints = [...this.byId.values(), ...this.leaving];
    this.close();
    for (const { pool } of endpoints) pool.destroy(reason);
  }

  private onState(state: WatchState): void {
    this.state = state;
    if (state === 'denied' && this.view === undefined) this.giveUpWaiting('the registry denies access to it');
  }

  private open(instance: ServiceInstance, origin: Snapshot['origin']): void {
    const { clock, connect } = this.context;
    const endpoint = new Endpoint(instance, this.options, clock, connect, this);
    endpoint.isRegistered = origin !== 'static';
    this.byId.set(instance.id, endpoint);
    this.touched.add(endpoint);
    if (this.hasHeardRegistry) this.picking.slowStart?.joined(endpoint, clock.now());
  }

  /** Its record says something else. */
  private update(endpoint: Endpoint, instance: ServiceInstance): void {
    if (endpoint.instance.owner !== instance.owner) {
      // Another process has taken its place: nothing that is known of the old one holds.
      const nowMs = this.context.clock.now();
      this.ejections.replaced(endpoint);
      this.picking.slowStart?.begin(endpoint, nowMs);
    }
    endpoint.instance = instance;
    this.touched.add(endpoint);
  }

  private mark(before: ServiceView | undefined, { suspects, flapping }: ServiceView): void {
    const marked = [...(before?.suspects ?? []), ...(before?.flapping ?? []), ...suspects, ...flapping];
    for (const id of marked) {
      const endpoint = this.byId.get(id);
      if (endpoint === undefined) continue;
      endpoint.isSuspect = suspects.has(id);
      endpoint.isFlapping = flapping.has(id);
      this.touched.add(endpoint);
    }
  }

  private drain(endpoint: Endpoint): void {
    this.byId.delete(endpoint.id);
    this.ejections.left(endpoint);
    endpoint.state = 'draining';
    endpoint.stateSinceMs = this.context.clock.now();
    this.picking.slowStart?.left(endpoint);
    if (endpoint.inFlight > 0) this.leaving.add(endpoint);
    endpoint.drain();
  }

  private rebuildIn(delayMs: number): void {
    const atMs = this.context.clock.now() + delayMs;
    if (this.rebuildTimer !== undefined && this.rebuildAtMs <= atMs) return;
    this.rebuildTimer?.cancel();
    this.rebuildAtMs = atMs;
    this.rebuildTimer = this.context.clock.setTimer(delayMs, () => this.rebuild());
  }

  private rebuild(): void {
    this.rebuildTimer?.cancel();
    this.rebuildTimer = undefined;
    const { picking, context } = this;
    const nowMs = context.clock.now();
    reviewPlaces(this.touched, this.options.priority, this.decisions, nowMs);
    const panicBefore = picking.panic;
    picking.rebuild([...this.byId.values()], this.touched, this.whyNobody());
    this.touched.clear();
    if (picking.panic !== panicBefore) {
      this.decisions.changed(PANIC_TEXT[picking.panic], nowMs);
      context.onPanic?.(this.name, picking.panic);
    }
    const stepMs = this.isClosed ? undefined : picking.slowStart?.stepMs;
    if (stepMs !== undefined) this.rebuildIn(stepMs);
    this.queue.release();
  }

  private whyNobody(): string {
    if (this.byId.size > 0) return `none of its ${this.byId.size} instances takes traffic`;
    return `no instance of ${keyText(this.key)} is registered`;
  }

  private giveUpWaiting(reason: string): void {
    this.firstListTimer.cancel();
    if (this.view === undefined || this.isClosed) this.picking.close(reason);
    this.queue.release();
  }
}

/** A record that moved to another address is another endpoint. */
function isSamePlace(a: ServiceInstance, b: ServiceInstance): boolean {
  return a.protocol === b.protocol && a.host === b.host && a.port === b.port;
}
