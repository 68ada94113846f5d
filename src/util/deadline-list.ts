// HOT PATH. Many deadlines of one duration for the price of one timer: an intrusive queue, oldest first (as Node keeps its own timers).
import type { Clock, Timer } from './clock.ts';

/** Told when a deadline passes. One method for all deadlines of an owner, so that arming one makes no closure. */
export interface DeadlineOwner {
  onDeadline(deadline: Deadline): void;
}

/** One deadline; made once by its owner and armed as often as needed, in one list at a time. */
export class Deadline {
  readonly owner: DeadlineOwner;
  /** @internal */ list: DeadlineList | undefined = undefined;
  /** @internal */ previous: Deadline | undefined = undefined;
  /** @internal */ next: Deadline | undefined = undefined;
  /** @internal Monotonic ms at which it passes. */ atMs = 0;

  constructor(owner: DeadlineOwner) {
    this.owner = owner;
  }

  /** True between `arm` and whichever comes first of `disarm` and passing. */
  get isArmed(): boolean {
    return this.list !== undefined;
  }

  /** Takes the deadline out of its list; without effect when it is in none. */
  disarm(): void {
    this.list?.remove(this);
  }
}

/**
 * All deadlines that share a duration. Arming and disarming are O(1); one timer is pending while the list is not empty.
 * A deadline passes at most `granularityMs` late and never early.
 */
export class DeadlineList {
  private readonly clock: Clock;
  private readonly durationMs: number;
  private readonly granularityMs: number;
  private head: Deadline | undefined = undefined;
  private tail: Deadline | undefined = undefined;
  private timer: Timer | undefined = undefined;
  /** The timer is set anew once all that is due has passed. */
  private isExpiring = false;

  /** @param durationMs > 0, in milliseconds. */
  constructor(clock: Clock, durationMs: number) {
    this.clock = clock;
    this.durationMs = durationMs;
    this.granularityMs = Math.max(1, Math.min(50, durationMs / 20));
  }

  /**
   * Starts `deadline` anew: it passes at `fromMs` + the list's duration. `fromMs` is `clock.now()`, taken by the caller, who
   * often has it; an earlier time costs a walk past what passes later, and is precise only within `onDeadline`.
   */
  arm(deadline: Deadline, fromMs: number): void {
    if (deadline.list !== undefined) deadline.list.remove(deadline);
    deadline.list = this;
    deadline.atMs = fromMs + this.durationMs;
    let previous = this.tail;
    while (previous !== undefined && previous.atMs > deadline.atMs) previous = previous.previous;
    const next = previous === undefined ? this.head : previous.next;
    deadline.previous = previous;
    deadline.next = next;
    if (previous === undefined) this.head = deadline;
    else previous.next = deadline;
    if (next === undefined) this.tail = deadline;
    else next.previous = deadline;
    if (!this.isExpiring) this.timer ??= this.clock.setTimer(this.durationMs + this.granularityMs, this.expire);
  }

  /** @internal Use `deadline.disarm()`. The timer stays: it finds the list empty, or the next one due, when it fires. */
  remove(deadline: Deadline): void {
    const { previous, next } = deadline;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next === undefined) this.tail = previous;
    else next.previous = previous;
    deadline.previous = undefined;
    deadline.next = undefined;
    deadline.list = undefined;
  }

  private readonly expire = (): void => {
    this.timer = undefined;
    const nowMs = this.clock.now();
    this.isExpiring = true;
    try {
      this.passDue(nowMs);
    } finally {
      this.isExpiring = false;
      if (this.head !== undefined)
        this.timer = this.clock.setTimer(Math.max(0, this.head.atMs - nowMs) + this.granularityMs, this.expire);
    }
  };

  private passDue(nowMs: number): void {
    const last = this.tail; // What an owner arms while we run waits for the next round.
    while (this.head !== undefined && this.head.atMs <= nowMs) {
      const due = this.head;
      this.remove(due);
      due.owner.onDeadline(due);
      if (due === last) break;
    }
  }
}

/** Of `stepOf`, to the octave. */
const STEPS = 16;

/** One list per duration, shared by all that use this clock: made on first use, kept. */
export class DeadlineLists {
  private readonly clock: Clock;
  private readonly byDuration = new Map<number, DeadlineList>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * For a duration that comes from outside, ≥ 1: the next longer one of sixteen in each octave, so that no more than some
   * hundred lists come of it. @returns that duration, at most 6.3 % longer.
   */
  static stepOf(durationMs: number): number {
    const step = Math.max(1, 2 ** Math.floor(Math.log2(durationMs)) / STEPS);
    return Math.ceil(durationMs / step) * step;
  }

  /** @param durationMs from configuration, or of `stepOf`. */
  of(durationMs: number): DeadlineList {
    let list = this.byDuration.get(durationMs);
    if (list === undefined) {
      list = new DeadlineList(this.clock, durationMs);
      this.byDuration.set(durationMs, list);
    }
    return list;
  }
}
