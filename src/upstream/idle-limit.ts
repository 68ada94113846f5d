// HOT PATH. How long an endpoint keeps idle connections open, as far as it has shown: up to what age they are used again.
import { REUSE_SHARE } from '../http/exchange.ts';

/** So many closes make a habit: until then, only what cannot be repeated keeps away from that age. */
const HABIT = 3;
/** Closes within this time of each other whose ages are not alike end a process; they say nothing of its habits. */
const TOGETHER_MS = 20;
const ALIKE = 1.5;
/** One that stays open for so many times the age at which others were closed proves that this was no habit. */
const OUTLIVES = 2;
/** Taken off every age: two event loops and a network lie between us and the other end. */
const SLACK_MS = 1;
/** Likewise for what cannot be repeated: a peer that was held up closes what is due before it reads what has come meanwhile. */
const PROVEN_SLACK_MS = 50;

/**
 * Idle connections that the peer closed without a word give an upper bound on the age at which one can be used again,
 * those that stay open a lower one. Ages in ms since the last answer. One writer: its pool.
 *
 * A request that can be repeated takes any connection younger than `REUSE_SHARE` of the upper bound: where that goes wrong
 * it is sent once more. One that cannot takes only what has been shown to be safe: another connection of this endpoint
 * stayed open for so much longer, and none was closed so early.
 */
export class IdleLimit {
  /** Up to this age a connection may be used for what can be repeated. */
  reuseMs = Infinity;
  /** Likewise for what cannot; below 0 while nothing is shown. */
  provenMs = -PROVEN_SLACK_MS;
  /** Youngest age at which the peer closed an idle connection; Infinity where none was seen to. */
  observedMs = Infinity;
  private closes = 0;
  private keptMs = 0;
  private lostMs = Infinity;
  private lastAtMs = -Infinity;
  private lastAgeMs = 0;

  /** The peer closed an idle connection of that age. `nowMs` is monotonic. */
  closedByPeer(ageMs: number, nowMs: number): void {
    const isTogether = nowMs - this.lastAtMs <= TOGETHER_MS;
    const [less, more] = ageMs < this.lastAgeMs ? [ageMs, this.lastAgeMs] : [this.lastAgeMs, ageMs];
    this.lastAtMs = nowMs;
    this.lastAgeMs = ageMs;
    if (isTogether && more > ALIKE * less + SLACK_MS) {
      this.forget();
      return;
    }
    this.closes++;
    this.observedMs = Math.min(this.observedMs, ageMs);
    this.keptMs = Math.min(this.keptMs, ageMs);
    this.conclude();
  }

  /** A connection that was used again at that age turned out to be closed. */
  lost(ageMs: number): void {
    this.lostMs = Math.min(this.lostMs, ageMs);
    this.conclude();
  }

  /** A connection is idle for that long, and open. To be told only behind the events of a turn of the loop: it may be closed, unseen. */
  kept(ageMs: number): void {
    if (ageMs <= this.keptMs) return;
    this.keptMs = ageMs;
    this.conclude();
  }

  /** A connection was idle for as long as we keep one: takes back what is far below. */
  survived(ageMs: number): void {
    if (ageMs > OUTLIVES * Math.min(this.observedMs, this.lostMs) + SLACK_MS) this.forget();
  }

  /** The closes that were seen had another reason. */
  forget(): void {
    this.closes = 0;
    this.observedMs = Infinity;
    this.lostMs = Infinity;
    this.conclude();
  }

  private conclude(): void {
    this.reuseMs = this.closes >= HABIT ? this.observedMs * REUSE_SHARE - SLACK_MS : Infinity;
    this.provenMs = Math.min(this.observedMs, this.lostMs, this.keptMs) * REUSE_SHARE - PROVEN_SLACK_MS;
  }
}
