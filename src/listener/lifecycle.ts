// The order in which a sidecar comes and goes: one clock, its phase visible in /readyz.
import type { Clock } from '../util/clock.ts';
import { sleep } from '../util/clock.ts';
import type { Listener } from './listener.ts';

/**
 * `starting` → `serving` ⇄ `drained` (left the registry by POST /drain, still serving) → `leaving` → `settling` →
 * `draining-inbound` → `draining-outbound` → `stopped`.
 */
export type Phase =
  'starting' | 'serving' | 'drained' | 'leaving' | 'settling' | 'draining-inbound' | 'draining-outbound' | 'stopped';

/** What the lifecycle moves; the sidecar gives it. */
export interface LifecycleParts {
  readonly clock: Clock;
  /** Milliseconds: serving on after leaving the registry, and the bound on the whole stop. */
  readonly settleMs: number;
  readonly timeoutMs: number;
  /** Undefined for a client-only sidecar: nothing to leave, but an app that is told to stop as well, and may still call out. */
  readonly inbound: Listener | undefined;
  readonly outbound: Listener;
  /** Takes our record away within the deadline; never rejects. */
  leave(deadlineMs: number): Promise<unknown>;
  /** Puts it back. */
  rejoin(): void;
  onPhase(phase: Phase): void;
}

/** Connections that are idle when a listener drains may be about to be used: they are given this long to be used once more. */
const IDLE_GRACE_MS = 1_000;

/** Part of a stop that leaving the registry may take: where that hangs, the record expires, and callers need the rest more. */
const LEAVE_SHARE = 1 / 3;

/** One sidecar's life. `stop` may be called any number of times; the first call counts. */
export class Lifecycle {
  private readonly parts: LifecycleParts;
  private current: Phase = 'starting';
  private stopping: Promise<void> | undefined = undefined;
  private readonly abort = new AbortController();

  constructor(parts: LifecycleParts) {
    this.parts = parts;
  }

  get phase(): Phase {
    return this.current;
  }

  /**
   * True once answers should end their connections. Inbound already while settling: a caller that could not be told (the registry
   * is away) sends on, and its next request must not meet the end of a kept connection, where a POST could not be sent again.
   */
  endsConnections(direction: 'inbound' | 'outbound'): boolean {
    return (direction === 'inbound' && this.current === 'settling') || this.isDraining(direction);
  }

  /** True once what is new should go elsewhere. */
  isDraining(direction: 'inbound' | 'outbound'): boolean {
    switch (this.current) {
      case 'draining-inbound':
        return direction === 'inbound';
      case 'draining-outbound':
      case 'stopped':
        return true;
      case 'starting':
      case 'serving':
      case 'drained':
      case 'leaving':
      case 'settling':
        return false;
    }
  }

  /** Everything is bound and running. */
  started(): void {
    this.enter('serving');
  }

  /** POST /drain: leaves the registry and goes on serving. */
  async drain(): Promise<void> {
    if (this.current !== 'serving') return;
    this.enter('drained');
    await this.parts.leave(this.parts.timeoutMs);
  }

  /** POST /undrain: back into the registry. */
  undrain(): void {
    if (this.current !== 'drained') return;
    this.enter('serving');
    this.parts.rejoin();
  }

  /** SIGTERM, SIGINT, POST /quit. Resolves when nothing is in flight any more, or after `timeoutMs`; never rejects. */
  stop(): Promise<void> {
    this.stopping ??= this.run();
    return this.stopping;
  }

  /** A second signal: what is in flight is given up. */
  stopNow(): void {
    this.abort.abort();
  }

  private async run(): Promise<void> {
    const { clock, settleMs, timeoutMs, inbound, outbound } = this.parts;
    const endMs = clock.now() + timeoutMs;
    const left = (): number => Math.max(0, endMs - clock.now());
    if (inbound !== undefined) {
      this.enter('leaving');
      const leaveMs = timeoutMs * LEAVE_SHARE;
      await this.bounded(this.parts.leave(leaveMs), leaveMs);
    }
    this.enter('settling');
    await this.bounded(sleep(clock, settleMs, this.abort.signal), Math.min(settleMs, left()));
    if (inbound !== undefined) {
      this.enter('draining-inbound');
      await this.empty(inbound, left());
    }
    this.enter('draining-outbound');
    await this.empty(outbound, left());
    this.enter('stopped');
  }

  private async empty(listener: Listener, withinMs: number): Promise<void> {
    listener.stopAccepting();
    await this.bounded(listener.drained(this.parts.clock, IDLE_GRACE_MS), withinMs);
    listener.destroy();
  }

  /** Waits for `work`, for at most `withinMs`, or until a second signal; never rejects. */
  private async bounded(work: Promise<unknown>, withinMs: number): Promise<void> {
    const limit = new AbortController();
    const either = AbortSignal.any([limit.signal, this.abort.signal]);
    const timeout = sleep(this.parts.clock, withinMs, either).catch(() => undefined);
    await Promise.race([work.catch(() => undefined), timeout]);
    limit.abort();
  }

  private enter(phase: Phase): void {
    this.current = phase;
    this.parts.onPhase(phase);
  }
}
