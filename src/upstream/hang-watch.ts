// Notices endpoints that have stopped answering, long before an attempt's time is over, and frees the requests that wait for them.
import type { Clock } from '../util/clock.ts';
import type { Endpoint } from './endpoint.ts';
import { LivenessProbe, type Liveness } from './liveness-probe.ts';
import type { TimeoutOptions } from './options.ts';
import { TimeToHead } from './time-to-head.ts';

/** An attempt that its endpoint has left without a sign for `patienceMs`. Told once for each `ask`, perhaps after its end. */
export interface SilenceWaiter {
  /** The endpoint lives, or nothing is known: it is this request that takes long. */
  onAlive(): void;
  /** The endpoint has stopped, and others are there. */
  onHung(): void;
}

export interface HangScope {
  /** Leaves the endpoint out. False where its requests have nowhere else to go. */
  onHung(endpoint: Endpoint): boolean;
}

/** Before enough answers have come to know what is normal, in ms. */
export const FIRST_PATIENCE_MS = 250;
/** Answers that are enough. */
const ENOUGH = 32;
/** What is normal is looked at again after so many answers. */
const LEARN_EVERY = 64;
/** Silence that is never remarkable, in ms: shorter than that and garbage collection would look like a hang. */
const MIN_PATIENCE_MS = 100;
/** Steps between them, so that there are few lists of deadlines: 100, 150, 200, 300, 400, 600 … ms. */
const STEPS = [1, 1.5];
/** An answer to `OPTIONS *` takes a connection and a turn of the endpoint's loop: so many times the median of all answers. */
const PROBE_MEDIANS = 3;
const MIN_PROBE_MS = 100;
const MAX_PROBE_MS = 1_000;

/**
 * An attempt that hears nothing of its endpoint for `patienceMs` (twice the 99th percentile of what the upstream takes to an
 * answer's head), neither its own answer nor another's, asks; then the endpoint is asked whether it lives (`LivenessProbe`),
 * once for all who wait. Only where it does not say so either, it has hung. So a request that merely takes long is never
 * executed twice, however rare its kind is. One for each upstream.
 */
export class HangWatch {
  private readonly clock: Clock;
  private readonly scope: HangScope;
  private readonly options: TimeoutOptions;
  private readonly timeToHead = new TimeToHead();
  private readonly questions = new Map<Endpoint, Question>();
  private learnedMs: number;
  private untilLearning = ENOUGH;
  private isWorthwhile = false;

  constructor(clock: Clock, options: TimeoutOptions, scope: HangScope) {
    this.clock = clock;
    this.options = options;
    this.scope = scope;
    this.learnedMs = typeof options.hang === 'number' ? options.hang : FIRST_PATIENCE_MS;
  }

  /** Silence after which an attempt asks, in ms; 0 = never: there is only one endpoint, or an attempt's time is over sooner. */
  get patienceMs(): number {
    return this.isWorthwhile && this.learnedMs < this.options.attemptMs ? this.learnedMs : 0;
  }

  /** @param endpoints that the registry names. */
  resize(endpoints: number): void {
    this.isWorthwhile = endpoints > 1 && this.options.hang !== 'off';
  }

  /** The head of an answer has come, `ms` after its attempt began. */
  answered(ms: number): void {
    this.timeToHead.add(ms);
    if (--this.untilLearning === 0) this.learn();
  }

  /** What answers of this upstream take to their heads; undefined before enough have come. @param q 0..1. @returns ms, at most half too long. */
  quantileMs(q: number): number | undefined {
    return this.timeToHead.size < ENOUGH ? undefined : this.timeToHead.quantile(q);
  }

  /** What answers of this upstream take to their heads, all but a few, in ms. */
  get usualMs(): number {
    return Math.max(MIN_PATIENCE_MS, this.quantileMs(0.99) ?? FIRST_PATIENCE_MS);
  }

  /** Nothing came from `endpoint` for as long as `waiter` had patience. */
  ask(endpoint: Endpoint, waiter: SilenceWaiter): void {
    const question = this.questions.get(endpoint);
    if (question !== undefined) {
      question.waiters.push(waiter);
    } else if (endpoint.outlier.isEjectedFor('hung')) {
      waiter.onHung();
    } else {
      this.begin(endpoint, waiter);
    }
  }

  /** How long an endpoint may take to say that it lives, in ms. */
  get probeMs(): number {
    const medianMs = this.timeToHead.size < ENOUGH ? FIRST_PATIENCE_MS : (this.timeToHead.quantile(0.5) ?? 0);
    return Math.min(MAX_PROBE_MS, Math.max(MIN_PROBE_MS, medianMs * PROBE_MEDIANS));
  }

  close(): void {
    for (const { probe } of this.questions.values()) probe.cancel();
    this.questions.clear();
  }

  private begin(endpoint: Endpoint, waiter: SilenceWaiter): void {
    const askedAtMs = this.clock.now();
    const probe = new LivenessProbe(endpoint, this.clock, this.probeMs, (liveness) =>
      this.settle(endpoint, liveness, askedAtMs),
    );
    this.questions.set(endpoint, { probe, waiters: [waiter] });
    endpoint.isSilent = true;
    probe.start();
  }

  private settle(endpoint: Endpoint, liveness: Liveness, askedAtMs: number): void {
    const waiters = this.questions.get(endpoint)?.waiters ?? [];
    this.questions.delete(endpoint);
    endpoint.isSilent = false;
    if (liveness === 'answers') endpoint.heardAtMs = this.clock.now();
    const isHung = liveness === 'silent' && endpoint.heardAtMs < askedAtMs && this.scope.onHung(endpoint);
    for (const waiter of waiters) {
      if (isHung) waiter.onHung();
      else waiter.onAlive();
    }
  }

  private learn(): void {
    this.untilLearning = LEARN_EVERY;
    if (this.options.hang !== 'auto') return;
    this.learnedMs = stepAbove(2 * (this.timeToHead.quantile(0.99) ?? 0));
  }
}

interface Question {
  readonly probe: LivenessProbe;
  readonly waiters: SilenceWaiter[];
}

function stepAbove(ms: number): number {
  for (let base = MIN_PATIENCE_MS; ; base *= 2) {
    for (const step of STEPS) if (base * step >= ms) return base * step;
  }
}
