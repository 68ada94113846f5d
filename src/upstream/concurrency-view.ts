// What is seen of an upstream's adaptive limit from below the layer that it belongs to (resilience/concurrency-limit.ts).

/** For metrics and the admin view. */
export interface ConcurrencyDescription {
  /** Requests that may wait for an answer now; half of what it would be while a measurement is made. */
  readonly limit: number;
  readonly inFlight: number;
  /** Since the start. */
  readonly rejected: number;
  readonly isMeasuring: boolean;
  /** Time to an answer with little under way, in ms; absent before the first measurement. */
  readonly minRttMs?: number;
  /** That of the last window, in ms; absent before the first. */
  readonly sampledRttMs?: number;
}

/** An adaptive limit, to those that show it. */
export interface ConcurrencyView {
  /** Requests that wait for the head of an answer. */
  readonly inFlight: number;
  /** Would one more be admitted now? */
  readonly hasRoom: boolean;
  describe(): ConcurrencyDescription;
}
