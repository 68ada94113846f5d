// HOT PATH. From a request to an endpoint: the words that every balancing policy is built around.
import type { ProxyRequest } from '../http/message.ts';
import type { ResponseTime } from './response-time.ts';

/** What a policy has to know of an endpoint; `upstream/endpoint.ts` is one. */
export interface Candidate {
  /** Stable over snapshots, unique in one of them: what carries a position over to the next picker. */
  readonly id: string;
  /** `host:port`, as in `Attempt.endpoint`. */
  readonly address: string;
  /** Requests on their way to it from this process, right now. */
  readonly inFlight: number;
  /** Kept for `peak-ewma` alone. */
  readonly responseTime?: ResponseTime | undefined;
}

/** What a pick may depend on; a `ProxyRequest` is one. `attempts` are the endpoints that this request has tried. */
export type PickContext = Pick<ProxyRequest, 'attempts' | 'headers' | 'path' | 'affinity'>;

/** An endpoint with what was computed for it once, when its picker was built. */
export interface Slot<E extends Candidate> {
  readonly endpoint: E;
  /** > 0; relative to the other slots of its group. */
  readonly weight: number;
  /** The result of picking it, made once. */
  readonly picked: { readonly kind: 'picked'; readonly endpoint: E };
}

/** At least one. */
export type Slots<E extends Candidate> = readonly [Slot<E>, ...Slot<E>[]];

/** `queue`: not yet, ask again when told. `unavailable`: there is nobody, and waiting would not help. */
export type PickResult<E> =
  | { readonly kind: 'picked'; readonly endpoint: E }
  | { readonly kind: 'queue' }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** From a request to an endpoint over one snapshot. Synchronous; replaced, never edited. */
export interface Picker<E> {
  pick(context: PickContext): PickResult<E>;
}

/** @param weight > 0 */
export function slotOf<E extends Candidate>(endpoint: E, weight: number): Slot<E> {
  return { endpoint, weight, picked: { kind: 'picked', endpoint } };
}

/** Has this request been at that endpoint? */
export function isTried<E extends Candidate>(slot: Slot<E>, { attempts }: PickContext): boolean {
  for (const attempt of attempts) if (attempt.endpoint === slot.endpoint.address) return true;
  return false;
}

/** Nothing is known yet. */
export const QUEUE_PICKER: Picker<never> = { pick: () => QUEUE };
const QUEUE = { kind: 'queue' } as const;

/** There is nobody to pick, for the reason given. */
export function unavailablePicker(reason: string): Picker<never> {
  const result = { kind: 'unavailable', reason } as const;
  return { pick: () => result };
}
