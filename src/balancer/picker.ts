// HOT PATH. From a request to an endpoint: what every balancing policy is built around, and the order in which tiers are used.
import type { ProxyRequest } from '../http/message.ts';

/** What a policy has to know of an endpoint; `upstream/endpoint.ts` is one. */
export interface Candidate {
  /** Stable over snapshots, unique in one of them: what carries a position over to the next picker. */
  readonly id: string;
  /** `host:port`, as in `Attempt.endpoint`. */
  readonly address: string;
  /** Requests on their way to it from this process, right now. */
  readonly inFlight: number;
}

/** What a pick may depend on; a `ProxyRequest` is one. `attempts` are the endpoints that this request has tried. */
export type PickContext = Pick<ProxyRequest, 'attempts'>;

/** An endpoint with what was computed for it once, when its picker was built. */
export interface Slot<E extends Candidate> {
  readonly endpoint: E;
  /** > 0; relative to the other slots of its tier. */
  readonly weight: number;
  /** The result of picking it, made once. */
  readonly picked: { readonly kind: 'picked'; readonly endpoint: E };
}

/** `queue`: not yet, ask again when told. `unavailable`: there is nobody, and waiting would not help. */
export type PickResult<E> =
  | { readonly kind: 'picked'; readonly endpoint: E }
  | { readonly kind: 'queue' }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** From a request to an endpoint over one snapshot. Synchronous; replaced, never edited. */
export interface Picker<E> {
  pick(context: PickContext): PickResult<E>;
}

/** One policy over one tier: never empty, never throws. What it remembers between draws is its own. */
export interface Draw<E extends Candidate> {
  readonly slots: readonly Slot<E>[];
  draw(): Slot<E>;
}

/** @param weight > 0 */
export function slotOf<E extends Candidate>(endpoint: E, weight: number): Slot<E> {
  return { endpoint, weight, picked: { kind: 'picked', endpoint } };
}

/** Draws that are repeated, before a search, to find an endpoint that the request has not tried. */
const REDRAWS = 2;

/**
 * Uses the first tier; further ones only for a request that has tried all of the first. Where everything was tried, the
 * first tier again. A draw and a search are bounded by the number of tries and of slots.
 */
export class TieredPicker<E extends Candidate> implements Picker<E> {
  /** In order of preference, none of them empty. */
  readonly tiers: readonly Draw<E>[];
  private readonly first: Draw<E>;
  private cursor = 0;

  /** @param first its further tiers follow; at least one. */
  constructor(first: Draw<E>, further: readonly Draw<E>[] = []) {
    this.first = first;
    this.tiers = [first, ...further];
  }

  pick(context: PickContext): PickResult<E> {
    const slot = this.first.draw();
    return context.attempts.length === 0 || !isTried(slot, context) ? slot.picked : this.another(slot, context).picked;
  }

  private another(drawn: Slot<E>, context: PickContext): Slot<E> {
    for (const tier of this.tiers) {
      for (let redraw = 0; redraw < REDRAWS; redraw++) {
        const slot = tier.draw();
        if (!isTried(slot, context)) return slot;
      }
      const found = this.search(tier.slots, context);
      if (found !== undefined) return found;
    }
    return drawn;
  }

  /** Begins where the last search ended, so that retries do not all go to the same neighbour. */
  private search(slots: readonly Slot<E>[], context: PickContext): Slot<E> | undefined {
    for (let step = 0; step < slots.length; step++) {
      this.cursor = (this.cursor + 1) % slots.length;
      const slot = slots[this.cursor];
      if (slot !== undefined && !isTried(slot, context)) return slot;
    }
    return undefined;
  }
}

function isTried<E extends Candidate>(slot: Slot<E>, context: PickContext): boolean {
  for (const attempt of context.attempts) if (attempt.endpoint === slot.endpoint.address) return true;
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
