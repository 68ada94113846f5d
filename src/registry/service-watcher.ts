// One watched service, shared by all its watches: reading → guard → damping → view → listeners, and the state that goes with it.
import type { Clock, Timer } from '../util/clock.ts';
import { Admission, type AddressPolicy } from './admission.ts';
import { ApplyPace } from './apply-pace.ts';
import { differences, hasId, type Difference } from './by-id.ts';
import { Damping } from './damping.ts';
import type { Reading, RegistryDriver } from './driver.ts';
import { Follower, type FollowerEvents } from './follower.ts';
import { Guard, type GuardOptions } from './guard.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import { WatchHandle } from './watch-handle.ts';
import { WatchListeners } from './watch-listeners.ts';
import { nextView } from './view.ts';
import { keyText, RegistryError } from './types.ts';
import type { ServiceKey, ServiceView, Snapshot, Watch, WatchOptions, WatchState, WatchStats } from './types.ts';

/** What a watcher needs around it. */
export interface WatcherOptions {
  readonly clock: Clock;
  readonly guard: GuardOptions;
  readonly policy: AddressPolicy;
  readonly ttlMs: number;
  readonly store: SnapshotStore | undefined;
  onState(key: ServiceKey, state: WatchState, reason: RegistryError | undefined): void;
  onGuarded(key: ServiceKey): void;
  onListenerError(key: ServiceKey, error: unknown): void;
  /** The last watch was closed, and with it the watcher. */
  onClosed(key: ServiceKey): void;
}

/** A list on disk is used when the registry has not answered after this long, or at its first failure: before requests give up (1 s). */
const DISK_AFTER_MS = 500;
/** Between a second read that was wanted and failed, and the next try. */
const SECOND_READ_RETRY_MS = 1_000;

const NOBODY: ReadonlySet<string> = new Set();

/** Holds the last good list through any failure; only a list from the registry, judged by the guard, replaces it. */
export class ServiceWatcher implements FollowerEvents {
  readonly key: ServiceKey;
  private readonly options: WatcherOptions;
  private readonly clock: Clock;
  private readonly isStatic: boolean;
  private readonly admission: Admission;
  private readonly guard: Guard;
  private readonly damping = new Damping();
  private readonly follower: Follower;
  private readonly listeners: WatchListeners;
  private state: WatchState = 'syncing';
  private view: ServiceView | undefined = undefined;
  private lastError: RegistryError | undefined = undefined;
  private heardAtMs: number;
  private latest: Reading | undefined = undefined;
  private pending: Reading | undefined = undefined;
  private readonly departed = new Set<string>();
  private readonly pace = new ApplyPace();
  private applyTimer: Timer | undefined = undefined;
  private reviewTimer: Timer | undefined = undefined;
  private diskTimer: Timer | undefined = undefined;
  private readonly counts = { readings: 0, applies: 0, equal: 0, guarded: 0, errors: 0 };

  constructor(driver: RegistryDriver, key: ServiceKey, options: WatcherOptions) {
    this.key = key;
    this.options = options;
    this.clock = options.clock;
    this.isStatic = driver.traits.isStatic;
    this.listeners = new WatchListeners((error) => options.onListenerError(key, error));
    this.admission = new Admission(options.policy);
    this.guard = new Guard(options.guard);
    this.heardAtMs = this.clock.now();
    this.follower = new Follower(driver, key, this.clock, options.ttlMs, this);
    if (options.store !== undefined) this.diskTimer = this.clock.setTimer(DISK_AFTER_MS, () => this.readDisk());
    this.follower.start();
  }

  /** Adds a watch; it gets the view and the state that are there already, in a microtask (a changed state was told by then). */
  watch(options: WatchOptions): Watch {
    const own = { ...options, isClosed: false };
    this.listeners.add(own);
    const { state, view } = this;
    queueMicrotask(() => {
      if (view !== undefined) this.listeners.tellViewTo(own, this.view ?? view);
      const isNews = state !== 'syncing' && this.state === state;
      if (isNews) this.listeners.tellStateTo(own, state, this.lastError);
    });
    return new WatchHandle(this, own, () => {
      own.isClosed = true;
      if (this.listeners.delete(own)) this.close();
    });
  }

  /** @internal */
  get current(): ServiceView | undefined {
    return this.view;
  }

  /** For status pages. */
  get summary(): { state: WatchState; stalenessMs: number; lastError: RegistryError | undefined; stats: WatchStats } {
    const { state, stalenessMs, lastError, counts } = this;
    return { state, stalenessMs, lastError, stats: { ...counts, listenerErrors: this.listeners.errors } };
  }

  close(): void {
    if (this.state === 'closed') return;
    this.setState('closed', undefined);
    this.listeners.clear();
    this.follower.close();
    for (const timer of [this.applyTimer, this.reviewTimer, this.diskTimer]) timer?.cancel();
    this.options.onClosed(this.key);
  }

  /** @internal */
  reading(reading: Reading): void {
    this.counts.readings++;
    this.heardAtMs = this.clock.now();
    // One that is skipped over must not take with it what it says of why somebody leaves. Who is in the same place stays.
    this.pending?.instances.forEach((instance, at) => {
      if (instance !== reading.instances[at] && instance.leaving === true) this.departed.add(instance.id);
    });
    for (const id of reading.departed ?? NOBODY) this.departed.add(id);
    this.pending = reading;
    this.lastError = undefined;
    this.scheduleApply();
    this.setState('live', undefined);
  }

  /** @internal */
  heard(): void {
    // Of a list that is held, nothing new was said.
    if (this.state === 'live') this.heardAtMs = this.clock.now();
  }

  /** @internal */
  lost(error: RegistryError): void {
    this.counts.errors++;
    const isNews = this.lastError === undefined;
    this.lastError = error;
    if (this.view === undefined) this.readDisk();
    const isDenied = error.kind === 'forbidden' || error.kind === 'unauthenticated';
    const state = isDenied ? 'denied' : this.view === undefined ? 'syncing' : 'stale';
    if (!this.setState(state, error) && isNews) this.announce(state, error);
  }

  /** @internal */
  secondReading(reading: Reading): void {
    if (this.latest === undefined || reading.epoch !== this.latest.epoch) {
      this.follower.restart(new RegistryError('protocol', `${keyText(this.key)}: another epoch`));
      return;
    }
    const named = new Set(reading.instances.map((instance) => instance.id));
    if (this.guard.confirm(named, this.clock.now()) === 'contradicted') {
      this.follower.restart(new RegistryError('protocol', `${keyText(this.key)}: list and stream disagree`));
    }
    this.scheduleApply();
  }

  private get stalenessMs(): number {
    return this.state === 'live' || this.isStatic ? 0 : Math.max(0, this.clock.now() - this.heardAtMs);
  }

  /** @internal */
  probeFailed(id: string): void {
    if (this.guard.drop(id)) this.scheduleApply();
  }

  private scheduleApply(): void {
    if (this.applyTimer !== undefined || this.state === 'closed') return;
    const waitMs = this.pace.waitMs(this.clock.now());
    if (waitMs <= 0) this.applyNow();
    else {
      this.applyTimer = this.clock.setTimer(waitMs, () => {
        this.applyTimer = undefined;
        this.scheduleApply(); // Timers count whole milliseconds: it may be a part of one too early.
      });
    }
  }

  private applyNow(): void {
    const startMs = this.clock.now();
    this.apply(startMs);
    this.pace.applied(startMs, this.clock.now());
  }

  private apply(nowMs: number): void {
    const reading = this.pending ?? this.latest;
    if (reading === undefined) return;
    const { instances, rejected } = this.admission.take(reading);
    if (this.pending !== undefined) {
      this.pending = undefined;
      this.diskTimer?.cancel();
      if (this.latest !== undefined && isOtherEpoch(this.latest, reading)) {
        this.guard.restart(nowMs);
        this.damping.clear();
        this.departed.clear();
      }
      this.latest = reading;
      if (this.guard.judge(instances, { departed: this.departed, nowMs })) {
        this.counts.guarded++;
        this.options.onGuarded(this.key);
      }
      this.departed.clear();
    }
    this.guard.expire(nowMs);
    this.damping.decay(nowMs);
    const members = this.guard.members();
    const origin = this.isStatic ? 'static' : this.guard.isHolding ? 'held' : 'live';
    const { revision, epoch } = reading;
    const snapshot = {
      key: this.key,
      instances: members,
      rejected,
      revision,
      epoch,
      observedAtMs: this.heardAtMs,
      origin,
    };
    this.deliver(snapshot as Snapshot, nowMs);
    this.scheduleReview(nowMs);
  }

  private deliver(snapshot: Snapshot, nowMs: number): void {
    const changed = differences(this.view?.snapshot.instances ?? [], snapshot.instances);
    this.countFlaps(changed, nowMs);
    const flapping = new Set<string>();
    for (const id of this.damping.flapping()) if (hasId(snapshot.instances, id)) flapping.add(id);
    const view = nextView(this.view, changed, { snapshot, suspects: this.guard.suspects(), flapping });
    if (view === this.view) {
      this.counts.equal++;
      return;
    }
    this.view = view;
    this.counts.applies++;
    if (snapshot.origin === 'live' || snapshot.origin === 'held') this.options.store?.save(view);
    this.listeners.tellView(view);
  }

  private countFlaps(changed: readonly Difference[], nowMs: number): void {
    if (this.view === undefined || this.view.snapshot.origin === 'disk') return;
    for (const { before, now } of changed) {
      if (before !== undefined && now === undefined) this.damping.disappeared(before.id, nowMs);
    }
  }

  /** One timer for all that happens by itself: second read, suspects whose time is over, penalties that decay. */
  private scheduleReview(nowMs: number): void {
    this.reviewTimer?.cancel();
    this.reviewTimer = undefined;
    const { confirmAtMs, expireAtMs } = this.guard;
    const wanted = [confirmAtMs, expireAtMs, this.damping.calmAtMs].filter((atMs) => atMs !== undefined);
    if (wanted.length === 0 || this.state === 'closed') return;
    this.reviewTimer = this.clock.setTimer(Math.max(0, Math.min(...wanted) - nowMs), () => {
      const dueMs = this.guard.confirmAtMs;
      if (dueMs !== undefined && dueMs <= this.clock.now()) {
        if (this.state === 'live') this.follower.secondRead();
        this.reviewTimer = this.clock.setTimer(SECOND_READ_RETRY_MS, () => this.scheduleReview(this.clock.now()));
      } else this.scheduleApply();
    });
  }

  private readDisk(): void {
    this.diskTimer?.cancel();
    const { store } = this.options;
    if (this.view !== undefined || this.pending !== undefined || store === undefined) return;
    void store.load(this.key).then((stored) => {
      if (stored === undefined || this.latest !== undefined || this.pending !== undefined || this.state === 'closed')
        return;
      this.admission.seed(stored.instances);
      this.guard.seed(stored.instances);
      this.heardAtMs = Math.min(this.heardAtMs, stored.observedAtMs);
      this.deliver(stored, this.clock.now());
      if (this.state === 'syncing') this.setState('stale', this.lastError);
    });
  }

  private setState(state: WatchState, reason: RegistryError | undefined): boolean {
    if (this.state === state || this.state === 'closed') return false;
    this.state = state;
    this.announce(state, reason);
    return true;
  }

  private announce(state: WatchState, reason: RegistryError | undefined): void {
    this.options.onState(this.key, state, reason);
    this.listeners.tellState(state, reason);
  }
}

function isOtherEpoch(before: Reading, after: Reading): boolean {
  return (
    before.epoch !== after.epoch ||
    (before.sequence !== undefined && after.sequence !== undefined && after.sequence < before.sequence)
  );
}
