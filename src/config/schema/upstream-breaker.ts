// `upstreams.<alias>.breaker`: refusing at once what an upstream as a whole cannot answer.
import { z } from 'zod';
import { duration, flag, integer, number } from './scalar.ts';

/** Becomes `BreakerOptions` (src/upstream/options.ts). The table of outcomes stands in docs/resilience.md. */
export const breaker = z
  .strictObject({
    enabled: flag().default(true).describe('`false`: never refuses, and costs nothing.'),
    consecutiveFailures: integer(0, 100_000)
      .default(100)
      .describe(
        'Requests in a row that open it by failing at their first attempt: 500 and answers that are no HTTP. What can pass by itself (connections refused, ' +
          'resets, timeouts, 502–504) does not count here. 0 = never.',
      ),
    errorRatio: number(0.01, 1)
      .default(0.8)
      .describe(
        'Share of requests within `window` whose first attempt fails that opens it. Trap: retries and ejection get answers out of a pool ' +
          'that is half broken; an open breaker refuses those, too.',
      ),
    minRequests: integer(1, 1_000_000)
      .default(100)
      .describe(
        'Requests within `window` below which the share says nothing. Those that were answered 4xx count nowhere.',
      ),
    window: duration({ minMs: 1_000, maxMs: 600_000 }).prefault('10s').describe('What `errorRatio` is taken of.'),
    open: duration()
      .prefault('250ms')
      .describe(
        'How long it refuses before it lets a probe through; later a tenth of the time that it has been failing, with ' +
          'some jitter.',
      ),
    maxOpen: duration().prefault('5s').describe('The longest of these. Less than `open` means `open`.'),
    probes: integer(1, 100)
      .default(1)
      .describe('Probes in a row, one at a time, that have to succeed before it closes.'),
    trafficDrop: flag()
      .default(true)
      .describe(
        'Opens it for a minute where the requests of ten seconds are at least 40 % fewer than in the five minutes before, ' +
          'for 30 s without a break, and more than 5 % of at least 100 requests of the last two minutes failed.',
      ),
  })
  .transform(({ window, open, maxOpen, ...rest }) => ({ ...rest, windowMs: window, openMs: open, maxOpenMs: maxOpen }));
