// `upstreams.<alias>.limits`: what may be under way to one service, over all of its endpoints.
import { z } from 'zod';
import { integer } from './scalar.ts';

/** What is beyond is answered 503 `PF_OVERFLOW` with `Retry-After`, at once. */
export const limits = z.strictObject({
  connections: integer(1, 1_000_000)
    .default(16_384)
    .describe(
      'Connections to all endpoints together. An endpoint that has none may have one beyond; otherwise requests wait for ' +
        'one to the endpoint that was picked.',
    ),
  pending: integer(0, 1_000_000)
    .default(4_096)
    .describe('Requests that wait for a connection, or for the first list of the registry.'),
  requests: integer(1, 1_000_000)
    .default(16_384)
    .describe('Requests under way, until their answer has ended; tunnels and streams among them.'),
  retries: integer(0, 1_000_000)
    .default(1_024)
    .describe(
      'Of these, second and further tries; beyond it a request gets what its last attempt met. Beside `retry.budget`, which bounds their rate.',
    ),
});
