// What a picker is built from: which endpoints share the traffic, and in which order the others stand by.
import type { Candidate, Slots } from './picker.ts';

/** Endpoints among which the policy alone decides. */
export interface Group<E extends Candidate> {
  /** Unique in its plan, the same from one plan to the next: what a position is carried over by. */
  readonly name: string;
  /** Why its endpoints are picked, or are not; for people. */
  readonly why: string;
  readonly slots: Slots<E>;
}

/** A group that requests go to at once. */
export interface ActiveGroup<E extends Candidate> extends Group<E> {
  /** Part of the requests, > 0; all of a plan's together are 1. */
  readonly share: number;
}

/** Nobody is in two groups. */
export interface Plan<E extends Candidate> {
  /** Empty: there is nobody. */
  readonly active: readonly ActiveGroup<E>[];
  /** For requests that have tried all of the active ones; the first is preferred. */
  readonly reserves: readonly Group<E>[];
}
