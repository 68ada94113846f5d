// What no schema of one upstream can see: that the upstreams which fallbacks name exist, and never lead back to where they began.
import type { Config } from './config.ts';

/** A fallback that leads nowhere, or round in a circle. */
export interface FallbackError {
  /** The upstream that it belongs to; `*` for those that the configuration does not name. */
  readonly owner: string;
  /** The upstream that it names. */
  readonly name: string;
  readonly expected: string;
}

/** All of them; each circle is told of at each of its members. */
export function fallbackErrors({ upstreams, upstreamDefaults }: Config): FallbackError[] {
  const nextOf = (name: string): string | undefined => upstreams.get(name)?.fallback?.upstream;
  const owners = [...upstreams.values(), { ...upstreamDefaults, name: '*' }];
  return owners.flatMap(({ name: owner, fallback }): FallbackError[] => {
    const name = fallback?.upstream;
    if (name === undefined) return [];
    if (!upstreams.has(name)) {
      const names = [...upstreams.keys()].join(', ');
      return [{ owner, name, expected: `the name of an upstream of this configuration (${names})` }];
    }
    const way = [owner];
    for (let at: string | undefined = name; at !== undefined && way.length <= upstreams.size + 1; at = nextOf(at)) {
      way.push(at);
      if (at === owner) return [{ owner, name, expected: `an upstream that does not lead back (${way.join(' → ')})` }];
    }
    return [];
  });
}
