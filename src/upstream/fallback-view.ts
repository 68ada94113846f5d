// What is seen of an upstream's fallback from below the layer that it belongs to (resilience/fallback.ts).
import type { ErrorCode } from '../errors.ts';

/** Failures of a whole upstream that may lead to its fallback; `status`: it answered with one of the listed statuses. */
export type FallbackCause =
  'breaker-open' | 'no-endpoint' | 'connect-failed' | 'timeout' | 'reset' | 'protocol-error' | 'overflow' | 'status';

/** For the admin view. */
export interface FallbackDescription {
  /** `answer 200`, or `upstream standby`. */
  readonly to: string;
  /** What leads there, in the words of the configuration. */
  readonly on: readonly (string | number)[];
  /** Requests that took it since the start, by cause. */
  readonly taken: Readonly<Partial<Record<FallbackCause, number>>>;
  /** How long ago it was last taken, in ms, and why; absent where it never was. */
  readonly lastAgoMs?: number;
  readonly lastWhy?: string;
}

/** A fallback, to those that show it. */
export interface FallbackView {
  /** Since the start. */
  readonly taken: Readonly<Partial<Record<FallbackCause, number>>>;
  /** @param nowMs monotonic. */
  describe(nowMs: number): FallbackDescription;
  /** Where a request that fails as a whole with `code` would go instead, and for which cause; undefined: nowhere. */
  wouldTake(code: ErrorCode): { readonly to: string; readonly cause: FallbackCause } | undefined;
}
