// How endpoints are chosen: the fields of `upstreams.<alias>` (config/schema/upstream-balancer.ts) as the pickers read them.
import type { Labels } from '../util/labels.ts';

/** What a request is hashed by. `isTerminal`: where it has a value, those after it are not looked at. */
export type HashSource = { readonly isTerminal: boolean } & (
  | { readonly kind: 'header'; /** Lower case. */ readonly name: string }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      /** The sidecar makes a cookie that lasts so long where a request has none; 0: for the session; undefined: it makes none. */
      readonly ttlMs: number | undefined;
    }
  | { readonly kind: 'source' }
  | { readonly kind: 'path' }
);

/** What both hashing policies have in common. */
interface HashOptions {
  /** At least one. */
  readonly hash: readonly HashSource[];
  /** An endpoint's requests in flight are at most so many times its share, > 1; undefined: no bound. */
  readonly boundedLoad: number | undefined;
}

/** One policy and what it is told. */
export type PolicyOptions =
  | { readonly policy: 'least-request' | 'round-robin' | 'random' }
  | ({ readonly policy: 'peak-ewma' } & PeakEwmaOptions)
  | ({
      readonly policy: 'ring-hash';
      /** Of an endpoint of mean weight, at least. */ readonly points: number;
    } & HashOptions)
  | ({ readonly policy: 'maglev'; /** Entries of the table; a prime. */ readonly tableSize: number } & HashOptions);

export type PolicyName = PolicyOptions['policy'];

/** All times in ms. */
export interface PeakEwmaOptions {
  /** After so long without a sample, an estimate is down to 1/e (37 %). */
  readonly decayMs: number;
  /** What an endpoint is taken to need before its first answer. */
  readonly initialMs: number;
  /** What a failure, a 429 or a 503 counts as: such an answer comes fast, and is no reason to come back. */
  readonly penaltyMs: number;
}

/** Endpoints of our own zone first. */
export interface ZoneOptions {
  readonly prefer: boolean;
  /** The zone that we are in; undefined: not known, so that all zones are one. */
  readonly own: string | undefined;
  /** Share of all callers that are in our zone, 0..1; undefined: callers are taken to be spread evenly over the zones. */
  readonly share: number | undefined;
  /** How many times the mean load the endpoints of our zone may get before some of it goes elsewhere, ≥ 1. */
  readonly overprovisioning: number;
}

/** Endpoints of a lower level first, the others as their standby. */
export interface PriorityOptions {
  /** Key of metadata that holds the level, `0` to `9`; others count as 0. */
  readonly metadata: string;
  /** Where not empty, the level is the position of the first entry all of whose labels fit, or the number of entries. */
  readonly levels: readonly Labels[];
  /** A level with h of n endpoints healthy carries min(1, overprovisioning × h / n) of the load, ≥ 1. */
  readonly overprovisioning: number;
}

/** Session affinity by a cookie that the sidecar sets. */
export interface StickyOptions {
  readonly cookie: string;
  /** Life of the cookie in ms; undefined: the session. */
  readonly ttlMs: number | undefined;
  readonly path: string;
  readonly secure: boolean;
  /** Key of the names in it; undefined: the endpoint's `owner`, or a key of this process. */
  readonly secret: string | undefined;
}
