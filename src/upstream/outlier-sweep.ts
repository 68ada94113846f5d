// At the end of each interval: which endpoints of an upstream fail more often, or answer more slowly, than the others?
import type { Endpoint } from './endpoint.ts';
import type { OutlierOptions } from './options.ts';
import { failsMore, isSlower } from './outlier-window.ts';

/** An endpoint that stands out, and what is said of it. */
export interface Outlier {
  readonly endpoint: Endpoint;
  readonly cause: 'success-rate' | 'latency';
  /** With its figures; completes "ejected, after …". */
  readonly reason: string;
}

/** @param endpoints that may be ejected and are not. @returns the worst first. O(n log n). */
export function outliersOf(endpoints: readonly Endpoint[], options: OutlierOptions): Outlier[] {
  return [...failing(endpoints, options), ...slow(endpoints, options)];
}

function failing(endpoints: readonly Endpoint[], { successRate }: OutlierOptions): Outlier[] {
  const tallies = endpoints.map(({ outlier }) => outlier.window.tally);
  let requests = 0;
  let failures = 0;
  for (const tally of tallies) {
    requests += tally.requests;
    failures += tally.failures;
  }
  const found: { readonly share: number; readonly outlier: Outlier }[] = [];
  for (const [index, endpoint] of endpoints.entries()) {
    const own = tallies[index] ?? { requests: 0, failures: 0 };
    const others = { requests: requests - own.requests, failures: failures - own.failures };
    if (!failsMore(own, others, successRate)) continue;
    const share = own.failures / own.requests;
    const reason = `${percent(share)} of ${own.requests} requests failed, ${percent(others.failures / others.requests)} at the others`;
    found.push({ share, outlier: { endpoint, cause: 'success-rate', reason } });
  }
  return found.sort((a, b) => b.share - a.share).map(({ outlier }) => outlier);
}

function slow(endpoints: readonly Endpoint[], { latency }: OutlierOptions): Outlier[] {
  const known = endpoints
    .filter(({ outlier }) => outlier.window.requests >= latency.minRequests)
    .map((endpoint) => ({ endpoint, ms: endpoint.outlier.window.medianMs ?? 0 }))
    .sort((a, b) => b.ms - a.ms);
  const found: Outlier[] = [];
  // The median of the others; of an even number the slower one of the middle, so that two slow ones of three do not stand out.
  const middle = (known.length - 2) >> 1;
  for (const [index, { endpoint, ms }] of known.entries()) {
    const normal = known[middle < index ? middle : middle + 1];
    if (normal === undefined || !isSlower(ms, normal.ms, latency)) break;
    const reason = `answers took about ${Math.round(ms)} ms, ${Math.round(normal.ms)} ms at the others`;
    found.push({ endpoint, cause: 'latency', reason });
  }
  return found;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}
