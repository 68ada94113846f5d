// HOT PATH. An instance and what this process knows of it; lives as long as the registry names it, over all snapshots.
import { slotOf, type Candidate, type Slot } from '../balancer/picker.ts';
import { ResponseTime } from '../balancer/response-time.ts';
import { keyText, type ServiceInstance } from '../registry/types.ts';
import type { EndpointState } from '../telemetry/metric-sources.ts';
import type { Clock } from '../util/clock.ts';
import type { ActiveCheck } from './active-check.ts';
import type { Connect } from './connect.ts';
import type { AttemptTally } from './failure-share.ts';
import type { UpstreamOptions } from './options.ts';
import { isFailure, noOutcomes, outcomeOfStatus, type Outcome, type OutcomeCounts } from './outcome.ts';
import { OutlierRecord } from './outlier.ts';
import { Pool } from './pool.ts';
import type { Tier } from './tier.ts';
import type { UpstreamLoad } from './upstream-load.ts';

/** What an endpoint tells its upstream. */
export interface EndpointOwner {
  /** Where its connections and requests are counted. */
  readonly load: UpstreamLoad;
  /** Where its attempts are counted, for its ejection. */
  readonly attempts: AttemptTally;
  /** A claim was settled; called after the endpoint counted it. @param status of the answer's head; 0: none came. */
  onSettled(endpoint: Endpoint, outcome: Outcome, claim: Claim, nowMs: number): void;
}

/** Weight of a new sample in the latency, as TCP's smoothed round-trip time has it (RFC 6298 §2). */
const LATENCY_GAIN = 1 / 8;

/** State survives snapshots. One writer of `instance` and the marks: its upstream; of the rest: its claims. */
export class Endpoint implements Candidate {
  readonly id: string;
  readonly address: string;
  readonly pool: Pool;
  readonly outlier: OutlierRecord;
  readonly outcomes: OutcomeCounts = noOutcomes();
  /** Monotonic ms at which it was first seen. */
  readonly sinceMs: number;
  /** What the picker made of it when it was built last, and monotonic ms since when it is in that state (places.ts). */
  tier: Tier = 'first';
  /** Its priority level, ≥ 0. */
  level = 0;
  state: EndpointState = 'available';
  stateSinceMs: number;
  /** What the registry says now. */
  instance: ServiceInstance;
  /** It comes from a registry, not from a list in our own configuration: its sidecar's word is believed. */
  isRegistered = true;
  isSuspect = false;
  isFlapping = false;
  /** The registry names it no more, or its upstream was closed: finishes what is in flight. */
  isDraining = false;
  /** Asks it whether it is well; undefined where nobody does. */
  check: ActiveCheck | undefined = undefined;
  inFlight = 0;
  /** Monotonic ms at which the head of an answer came last, of whatever status. */
  heardAtMs = -Infinity;
  /** It is being asked whether it lives (hang-watch.ts). */
  isSilent = false;
  /** Smoothed time to an answer's head, in ms; undefined before the first answer. */
  latencyMs: number | undefined = undefined;
  readonly responseTime: ResponseTime | undefined;
  private readonly owner: EndpointOwner;
  private slot: Slot<Endpoint> | undefined = undefined;

  constructor(
    instance: ServiceInstance,
    options: UpstreamOptions,
    clock: Clock,
    connect: Connect,
    owner: EndpointOwner,
  ) {
    const { host, port } = instance;
    this.instance = instance;
    this.id = instance.id;
    this.address = addressOf(instance);
    this.pool = new Pool(clock, connect, { host, port, address: this.address }, options, owner.load);
    this.outlier = new OutlierRecord(options.outlier, owner.attempts);
    this.sinceMs = clock.now();
    this.stateSinceMs = this.sinceMs;
    const { balancer } = options;
    this.responseTime = balancer.policy === 'peak-ewma' ? new ResponseTime(balancer, clock) : undefined;
    this.owner = owner;
  }

  /** For people and logs. */
  get name(): string {
    return `${keyText(this.instance.key)} ${this.id} (${this.address})`;
  }

  /** For pickers; the same while the weight is. @param weight > 0. */
  slotOf(weight: number): Slot<Endpoint> {
    if (this.slot?.weight !== weight) this.slot = slotOf<Endpoint>(this, weight);
    return this.slot;
  }

  /** Counts a request that is on its way from now on. */
  claim(nowMs: number, isRetry = false): Claim {
    this.inFlight++;
    this.owner.load.begin(isRetry);
    return new Claim(this, nowMs, isRetry);
  }

  /** @internal Called by a claim, once. */
  release(outcome: Outcome, claim: Claim, nowMs: number): void {
    this.inFlight--;
    this.owner.load.end(claim.isRetry);
    this.outcomes[outcome]++;
    if (this.responseTime !== undefined) {
      if (isFailure(outcome)) this.responseTime.penalise();
      else if (outcome === 'cancelled' && claim.status === 0) this.responseTime.gaveUp(claim.startedAtMs);
    }
    this.owner.onSettled(this, outcome, claim, nowMs);
    if (this.isDraining && this.inFlight === 0) this.pool.close();
  }

  /** @internal Called by a claim when the head of an answer is there, of whatever status. */
  heard(status: number, tookMs: number, nowMs: number): void {
    this.heardAtMs = nowMs;
    if (this.responseTime === undefined) return;
    if (status === 429) this.responseTime.penalise();
    else if (outcomeOfStatus(status) === 'success') this.responseTime.observe(tookMs, nowMs);
  }

  /** @internal Called by a claim when it is one that counts as an answer. */
  answered(latencyMs: number): void {
    this.outlier.window.answered(latencyMs);
    this.latencyMs =
      this.latencyMs === undefined ? latencyMs : this.latencyMs + LATENCY_GAIN * (latencyMs - this.latencyMs);
  }

  /** Takes nothing new; its pool is closed when nothing is in flight any more. */
  drain(): void {
    this.isDraining = true;
    if (this.inFlight === 0) this.pool.close();
  }
}

/** One picked endpoint while in use. */
export class Claim {
  readonly endpoint: Endpoint;
  /** Monotonic ms. */
  readonly startedAtMs: number;
  private isSettled = false;
  /** @internal Of the head of its answer; 0: none has come. */
  status = 0;
  /** @internal */ readonly isRetry: boolean;

  constructor(endpoint: Endpoint, startedAtMs: number, isRetry: boolean) {
    this.endpoint = endpoint;
    this.startedAtMs = startedAtMs;
    this.isRetry = isRetry;
  }

  /** The head of an answer is there, of whatever status. */
  heard(nowMs: number, status: number): void {
    this.status = status;
    this.endpoint.heard(status, nowMs - this.startedAtMs, nowMs);
  }

  /** It is one that counts as an answer. @returns how long that took, in ms. */
  answered(nowMs: number): number {
    const tookMs = nowMs - this.startedAtMs;
    this.endpoint.answered(tookMs);
    return tookMs;
  }

  /** Both directions have ended, failed or been abandoned. Only the first call counts. */
  settle(outcome: Outcome, nowMs: number): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.endpoint.release(outcome, this, nowMs);
  }
}

/** `host:port`, an IPv6 address in brackets. */
export function addressOf({ host, port }: Pick<ServiceInstance, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
