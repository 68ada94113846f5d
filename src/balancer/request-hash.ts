// HOT PATH. What a request is hashed by: header, cookie, source, path, alone or together.
import { cookieValue } from '../http/cookie.ts';
import { FIELD } from '../http/field.ts';
import { finalise, hash32 } from './hash32.ts';
import type { HashSource } from './options.ts';
import type { PickContext } from './picker.ts';

/** A request in which none of the sources has a value. */
export const NO_KEY = -1;

/** The sources in order, combined as Envoy combines its hash policies; one that has no value is passed over. */
export class RequestHash {
  private readonly sources: readonly HashSource[];

  constructor(sources: readonly HashSource[]) {
    this.sources = sources;
  }

  /** 0..2^32−1, or `NO_KEY`. */
  of(context: PickContext): number {
    let hash = NO_KEY;
    for (const source of this.sources) {
      const value = valueOf(source, context);
      if (value === undefined) continue;
      const own = hash32(value);
      // Rotated, so that two sources with the same value do not cancel each other out.
      hash = hash === NO_KEY ? own : (((hash << 1) | (hash >>> 31)) ^ own) >>> 0;
      if (source.isTerminal) return hash;
    }
    return hash;
  }

  /** 0 ≤ x < 1, independent of where the hash falls on a table; undefined without a key. */
  fractionOf(context: PickContext): number | undefined {
    const hash = this.of(context);
    return hash === NO_KEY ? undefined : finalise(hash ^ 0x9e3779b9) / 4_294_967_296;
  }
}

function valueOf(source: HashSource, { headers, path, affinity }: PickContext): string | undefined {
  switch (source.kind) {
    case 'header':
      return headers.get(source.name);
    case 'cookie':
      return (
        cookieValue(headers, source.name) ?? (source.ttlMs === undefined || affinity === '' ? undefined : affinity)
      );
    case 'source':
      return firstAddress(headers.getId(FIELD['x-forwarded-for']));
    case 'path':
      return path;
  }
}

/** Where the request began, of `client, proxy, proxy`: the edge has removed what is not to be believed (middleware/forwarded.ts). */
function firstAddress(forwardedFor: string | undefined): string | undefined {
  const comma = forwardedFor?.indexOf(',') ?? -1;
  return comma < 0 ? forwardedFor : forwardedFor?.slice(0, comma).trimEnd();
}
