// One record of ours and what keeps it alive: claim → beat → verify, at-risk, lost, claimed anew; leave, settle, remove.
import { randomUUID } from 'node:crypto';
import { Backoff } from '../util/backoff.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Holder, RecordKeeper, RegistryDriver } from './driver.ts';
import { withDeadline } from './deadline.ts';
import { depart } from './departure.ts';
import { Nap } from './nap.ts';
import { assertValid } from './record.ts';
import { asRegistryError, RegistryError } from './types.ts';
import type {
  DeregisterOptions,
  InstanceUpdate,
  Registration,
  RegistrationHandle,
  RegistrationState,
  ServiceInstance,
} from './types.ts';

/** What a registration needs around it. */
export interface RegistrationContext {
  readonly clock: Clock;
  readonly driver: RegistryDriver;
  onState(instance: ServiceInstance, state: RegistrationState, reason: RegistryError | undefined): void;
  onListenerError(error: unknown): void;
  /** The registration is over. */
  onGone(registration: ActiveRegistration): void;
}

type Listener = (state: RegistrationState, reason?: RegistryError) => void;

/** Longest time, in ms, between two beats, whatever the TTL: a registry that came back empty in between has to see us soon. */
const MAX_BEAT_MS = 4_000;
/** The first retry after the registry went away is spread over at most this long, in ms (REGISTRIES §2.6). */
const MAX_FIRST_RETRY_MS = 4_000;
/** A record is back five seconds after its registry: so long may a call take that hung when that came back, and so long, in ms, is between two tries. */
const MAX_CALL_MS = 4_000;
const MIN_RETRY_MS = 200;
const MAX_RETRY_MS = 3_000;
/** The next try after a call that hung is spread over this long, in ms: with both above, it leaves 0.2 s of the five for the try itself. */
const HUNG_SPREAD_MS = 600;

/** One loop does everything in turn, so that two lives are never begun at once, however late its timers come. */
export class ActiveRegistration implements RegistrationHandle {
  private readonly context: RegistrationContext;
  private readonly clock: Clock;
  private readonly driver: RegistryDriver;
  private readonly keeper: RecordKeeper;
  private readonly ttlMs: number;
  private readonly backoff: Backoff;
  private readonly listeners = new Set<Listener>();
  private readonly stopping = new AbortController();
  private record: ServiceInstance;
  private current: RegistrationState = 'pending';
  private error: RegistryError | undefined = undefined;
  private untilMs = 0;
  private hasLife = false;
  private wasSent = false;
  private isBeingPut = false;
  private isDirty = false;
  private beats = 0;
  private failuresInRow = 0;
  private watchdog: Timer | undefined = undefined;
  private readonly nap: Nap;
  private claims = 0;
  private inFlight: Promise<void> = Promise.resolve();
  private departure: Promise<'removed' | 'left-to-expire'> | undefined = undefined;

  /** Throws RegistryError `invalid` where the record breaks a rule; begins to register otherwise. */
  constructor(registration: Registration, context: RegistrationContext) {
    const { capabilities } = context.driver;
    if (!(registration.ttlMs >= capabilities.minTtlMs)) {
      throw new RegistryError('invalid', `ttl must be at least ${capabilities.minTtlMs} ms here`);
    }
    this.record = { ...registration.instance, owner: registration.instance.owner ?? randomUUID() };
    assertValid(this.record, capabilities.maxMetadataBytes);
    this.context = context;
    this.clock = context.clock;
    this.driver = context.driver;
    this.ttlMs = registration.ttlMs;
    this.backoff = new Backoff(this.clock, MIN_RETRY_MS, MAX_RETRY_MS);
    this.nap = new Nap(this.clock);
    this.keeper = this.driver.keep(this.record, this.ttlMs, { lost: () => this.loseLife() });
    void this.run();
  }

  get instance(): ServiceInstance {
    return this.record;
  }

  get state(): RegistrationState {
    return this.current;
  }

  get lastError(): RegistryError | undefined {
    return this.error;
  }

  get promisedUntilMs(): number {
    return this.untilMs;
  }

  /** How many times a life was begun: 1 after the first registration, one more for each time it had to be repaired. */
  get registrations(): number {
    return this.claims;
  }

  registered(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (failure?: RegistryError): void => {
        off();
        signal.removeEventListener('abort', onAbort);
        if (failure === undefined) resolve();
        else reject(failure);
      };
      const onAbort = (): void => settle(new RegistryError('aborted', 'not registered in time', { cause: this.error }));
      const look = (): void => {
        if (this.current === 'registered' || this.current === 'at-risk') settle();
        else if (this.current === 'leaving' || this.current === 'gone')
          settle(new RegistryError('aborted', 'deregistered'));
      };
      const off = this.onState(look);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      else look();
    });
  }

  setHealth(health: ServiceInstance['health']): void {
    if (health !== this.record.health) this.change({ ...this.record, health });
  }

  update(change: InstanceUpdate): void {
    this.change({ ...this.record, ...change });
  }

  deregister(options: DeregisterOptions): Promise<'removed' | 'left-to-expire'> {
    this.departure ??= this.leave(options);
    return this.departure;
  }

  onState(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Stops at once and leaves the record to expire. */
  abandon(): void {
    if (this.current !== 'gone') this.end();
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const triedAtMs = this.clock.now();
      try {
        const waitMs = await this.step();
        if (this.stopping.signal.aborted) return;
        this.failuresInRow = 0;
        this.backoff.reset();
        await this.nap.rest(this.hasLife && !this.isDirty ? waitMs : 0);
      } catch (thrown) {
        if (this.stopping.signal.aborted) return;
        await this.nap.rest(this.failed(asRegistryError(thrown, 'registration'), triedAtMs));
      }
    }
  }

  /** One thing that is due; the wait until the next, in ms. */
  private async step(): Promise<number> {
    let sentAtMs = this.clock.now();
    if (this.hasLife && sentAtMs >= this.untilMs) this.loseLife();
    if (!this.hasLife) {
      sentAtMs = await this.claim();
      this.acknowledged(sentAtMs);
      return this.untilNextBeatMs(sentAtMs);
    }
    const verdict = this.isDirty ? await this.rewrite() : await this.call((signal) => this.keeper.refresh(signal));
    if (verdict === 'lost') this.loseLife();
    if (this.hasLife) this.acknowledged(sentAtMs); // It may have ended meanwhile, by the watchdog or the registry's word.
    if (this.hasLife && !(await this.isStillOurs())) this.loseLife();
    return this.untilNextBeatMs(sentAtMs);
  }

  /** One beat from when the last one was sent, so that a slow registry does not make us rare. */
  private untilNextBeatMs(sentAtMs: number): number {
    return Math.max(this.beatMs / 4, sentAtMs + this.beatMs - this.clock.now());
  }

  /** Every few beats: is the record still there, and ours? */
  private async isStillOurs(): Promise<boolean> {
    const { verifyEveryBeats } = this.driver.traits;
    if (verifyEveryBeats === 0 || ++this.beats % verifyEveryBeats !== 0) return true;
    const holder = await this.call((signal) => this.keeper.holder(signal));
    return holder?.owner === this.record.owner;
  }

  /** Takes the id where nobody alive holds it, or its holder was an earlier life of this copy; when the write was sent. */
  private async claim(): Promise<number> {
    const holder = await this.call((signal) => this.keeper.holder(signal));
    if (holder !== undefined && !this.mayReplace(holder)) {
      throw new RegistryError('conflict', `id ${this.record.id} is held by ${holder.host}:${holder.port}`);
    }
    const record = this.record;
    this.isDirty = false;
    this.wasSent = true;
    this.isBeingPut = true;
    const sentAtMs = this.clock.now();
    try {
      await this.call((signal) => this.keeper.put(record, holder, signal));
    } finally {
      this.isBeingPut = false;
    }
    this.hasLife = true;
    this.claims++;
    return sentAtMs;
  }

  private mayReplace(holder: Holder): boolean {
    if (holder.owner === this.record.owner || !holder.isAlive) return true;
    // Nobody else can listen there: it is what a crash of ours left. But once registered, who took it from us is alive.
    return this.claims === 0 && holder.host === this.record.host && holder.port === this.record.port;
  }

  private async rewrite(): Promise<'kept' | 'lost'> {
    const record = this.record;
    this.isDirty = false;
    try {
      return await this.call((signal) => this.keeper.update(record, signal));
    } catch (error) {
      this.isDirty = true;
      throw error;
    }
  }

  private acknowledged(sentAtMs: number): void {
    if (this.driver.capabilities.liveness === 'none') this.untilMs = Infinity;
    else this.untilMs = sentAtMs + this.ttlMs; // From when it was sent: what the registry counts from cannot be earlier.
    this.error = undefined;
    if (!this.stopping.signal.aborted) this.setState('registered', undefined);
    this.armWatchdog();
  }

  /** Tells `at-risk` and `lost` in time, whatever call the loop is waiting in. */
  private armWatchdog(): void {
    this.watchdog?.cancel();
    if (!Number.isFinite(this.untilMs)) return;
    const riskAtMs = this.untilMs - this.ttlMs / 3;
    const nowMs = this.clock.now();
    if (nowMs >= this.untilMs) {
      this.loseLife();
      return;
    }
    if (nowMs >= riskAtMs && this.current === 'registered') this.setState('at-risk', this.error);
    const dueMs = nowMs >= riskAtMs ? this.untilMs : riskAtMs;
    this.watchdog = this.clock.setTimer(dueMs - nowMs, () => this.armWatchdog());
  }

  private loseLife(): void {
    if (!this.hasLife || this.stopping.signal.aborted) return;
    this.hasLife = false;
    this.untilMs = Math.min(this.untilMs, this.clock.now());
    this.watchdog?.cancel();
    this.setState('lost', this.error);
    this.nap.end();
  }

  /** The wait before the next try, in ms. */
  private failed(error: RegistryError, triedAtMs: number): number {
    this.error = error;
    this.failuresInRow++;
    if (error.kind === 'conflict') {
      this.loseLife();
      this.setState('conflict', error);
      return this.beatMs * (0.5 + this.clock.random() / 2);
    }
    const isDenied = error.kind === 'unauthenticated' || error.kind === 'forbidden';
    if (!this.hasLife) this.setState(isDenied ? 'denied' : this.claims === 0 ? 'pending' : 'lost', error);
    const isFirst = this.failuresInRow === 1 && this.claims > 0 && error.kind !== 'aborted';
    const spreadMs = isFirst
      ? this.clock.random() * Math.min(MAX_FIRST_RETRY_MS, this.ttlMs / 3)
      : this.backoff.nextMs();
    // Who hung has waited already, but maybe since the same moment as many others.
    const hungMs = error.kind === 'timeout' ? this.clock.now() - triedAtMs : 0;
    const leastMs = MIN_RETRY_MS + HUNG_SPREAD_MS * this.clock.random();
    const waitMs = hungMs === 0 ? spreadMs : Math.max(leastMs, spreadMs - hungMs);
    if ((isFirst && hungMs === 0) || !this.hasLife) return waitMs;
    // The less time is left, the sooner: a registry that is back in time must not find us waiting until it is too late.
    return Math.min(waitMs, Math.max(MIN_RETRY_MS, (this.untilMs - this.clock.now()) / 2));
  }

  private async leave(options: DeregisterOptions): Promise<'removed' | 'left-to-expire'> {
    const { clock, keeper, ttlMs } = this;
    // A record on its way may have been seen already.
    const isMarked = (this.hasLife || this.isBeingPut) && this.driver.capabilities.liveness !== 'none';
    this.stopping.abort(new RegistryError('aborted', 'deregistering'));
    this.nap.end();
    this.watchdog?.cancel();
    this.setState('leaving', undefined);
    this.record = { ...this.record, leaving: true };
    const { record, inFlight } = this;
    const { watch } = this.driver.capabilities;
    const departing = { clock, keeper, ttlMs, record, isMarked, watch, inFlight };
    const failure = this.wasSent ? await depart(departing, options) : undefined;
    this.error = failure;
    this.end();
    return failure === undefined ? 'removed' : 'left-to-expire';
  }

  private end(): void {
    this.stopping.abort(new RegistryError('aborted', 'registration ended'));
    this.nap.end();
    this.watchdog?.cancel();
    this.untilMs = Math.min(this.untilMs, this.clock.now());
    this.keeper.close();
    this.setState('gone', this.error);
    this.listeners.clear();
    this.context.onGone(this);
  }

  private change(record: ServiceInstance): void {
    assertValid(record, this.driver.capabilities.maxMetadataBytes);
    if (this.stopping.signal.aborted) return;
    this.record = record;
    this.isDirty = true;
    if (this.hasLife) this.nap.end();
  }

  private get beatMs(): number {
    return this.driver.capabilities.liveness === 'none' ? 2_147_483_647 : Math.min(MAX_BEAT_MS, this.ttlMs / 3);
  }

  private call<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeoutMs = Math.min(MAX_CALL_MS, this.driver.traits.callTimeoutMs, this.ttlMs / 3);
    return withDeadline(this.clock, timeoutMs, [this.stopping.signal], (signal) => {
      const running = call(signal);
      this.inFlight = running.then(
        () => undefined,
        () => undefined,
      );
      return running;
    });
  }

  private setState(state: RegistrationState, reason: RegistryError | undefined): void {
    if (this.current === state || this.current === 'gone') return;
    this.current = state;
    this.context.onState(this.record, state, reason);
    for (const listener of [...this.listeners]) {
      try {
        listener(state, reason);
      } catch (error) {
        this.context.onListenerError(error);
      }
    }
  }
}
