// `upstreams.<alias>.hedging`: a second attempt beside one that takes long.
import { z } from 'zod';
import { parseDuration } from '../../util/units.ts';
import { integer, readText } from './scalar.ts';

const DELAY = 'a duration from 1ms to 1m such as 50ms, or a percentile from p50 to p99.9 such as p95';

/** When a second attempt begins: after a fixed time, or a quantile (0..1) of what the upstream takes. */
export type HedgeDelay =
  { readonly kind: 'fixed'; readonly ms: number } | { readonly kind: 'quantile'; readonly q: number };

const delay = readText('duration or percentile', DELAY, readDelay);

/** Becomes `HedgingOptions` (src/upstream/options.ts). */
export const hedging = z
  .union(
    [
      z.literal('off'),
      z.strictObject({
        delay: delay
          .prefault('p95')
          .describe(
            'How long an attempt may take before another one is made beside it: fixed (`50ms`), or a percentile of what this ' +
              'upstream takes (`p95`), learned from its answers. Trap: `p50` doubles the traffic, as far as the budget lets it.',
          ),
        maxExtra: integer(1, 4)
          .default(1)
          .describe('Attempts beside the first one, each on an endpoint of its own, `delay` apart.'),
      }),
    ],
    { error: 'off, or a mapping' },
  )
  .transform((value) => (value === 'off' ? undefined : value))
  .optional()
  .describe(
    'A second attempt, on another endpoint, where the first one takes long; the first answer wins. For requests that may be ' +
      'executed twice only, within the budget of retries. `{}` takes the defaults; without it, or with `off`, there is none. ' +
      'See [resilience](resilience.md#hedging).',
  );

function readDelay(value: string): HedgeDelay | undefined {
  const percentile = /^p(\d{2}(?:\.\d{1,2})?)$/.exec(value)?.[1];
  if (percentile !== undefined) {
    const q = Number(percentile) / 100;
    return q >= 0.5 && q <= 0.999 ? { kind: 'quantile', q } : undefined;
  }
  const ms = parseDuration(value);
  return ms !== undefined && ms >= 1 && ms <= 60_000 ? { kind: 'fixed', ms } : undefined;
}
