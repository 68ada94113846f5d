// `http:` what the wire accepts, on both listeners, and whose word about the client is believed.
import { z } from 'zod';
import type { PathLooseness, WireLimits } from '../../http/limits.ts';
import { cidr, duration, integer, size } from './scalar.ts';

const choice = () => z.enum(['reject', 'keep'], { error: 'reject or keep' }).default('reject');

/** `http.paths`: what no two servers read alike. Becomes `PathLooseness` (src/http/limits.ts). */
export const paths = z
  .strictObject({
    encodedSlash: choice().describe('`%2F`.'),
    backslash: choice().describe('A raw `\\`, and `%5C`.'),
    encodedNul: choice().describe('`%00`.'),
    invalidUtf8: choice().describe('Overlong or otherwise invalid UTF-8 behind percent signs, such as `%C0%AF`.'),
    dotParameters: choice().describe('`..;` and `.;`: dot segments with a parameter.'),
  })
  .transform((choices): PathLooseness => ({
    encodedSlash: choices.encodedSlash === 'keep',
    backslash: choices.backslash === 'keep',
    encodedNul: choices.encodedNul === 'keep',
    invalidUtf8: choices.invalidUtf8 === 'keep',
    dotParameters: choices.dotParameters === 'keep',
  }))
  .describe(
    'Paths that servers read differently: `reject` answers 400, `keep` passes them on as they came. Trap: what is kept can ' +
      'lead past a rule about paths, here or in the app.',
  );

/** `http.limits`: what one message may cost. Becomes `WireLimits` (src/http/limits.ts). */
export const limits = z
  .strictObject({
    requestLine: size({ minBytes: 64, maxBytes: 1_048_576 }).prefault('8KiB').describe('Longer: 414.'),
    headerBlock: size({ minBytes: 256, maxBytes: 1_048_576 })
      .prefault('32KiB')
      .describe('All fields of one head together. More: 431. Trailers have the same limit.'),
    headers: integer(1, 10_000).default(100).describe('Fields in one head. More: 431.'),
    method: integer(1, 256).default(32).describe('Characters of a method. More: 400.'),
    chunkExtensions: size({ minBytes: 0, maxBytes: 1_048_576 })
      .prefault('16KiB')
      .describe('Chunk extensions of one body together, which are never passed on. More: 400.'),
  })
  .transform((limits): WireLimits => ({
    requestLineBytes: limits.requestLine,
    headerBlockBytes: limits.headerBlock,
    headerCount: limits.headers,
    methodChars: limits.method,
    chunkExtensionBytes: limits.chunkExtensions,
  }));

/** `http:` whole. */
export const http = z
  .strictObject({
    trusted: z
      .array(cidr())
      .prefault([])
      .describe(
        'Peers whose `X-Forwarded-*`, `Forwarded` and `X-Forwarded-Client-Cert` are believed; those of all others are ' +
          'replaced. Trap: trust a load balancer, never a network in which clients live.',
      ),
    suffix: z
      .string({ error: 'a domain suffix such as .pilotfish, or ""' })
      .regex(/^(?:\.[a-z0-9][a-z0-9.-]{0,252})?$/, { error: 'a domain suffix such as .pilotfish, or ""' })
      .default('.pilotfish')
      .describe('Taken off a name before it is looked up, so that `orders.pilotfish` is the service `orders`.'),
    headTimeout: duration()
      .prefault('10s')
      .describe('Time for a whole head to arrive, from its first byte. Longer: 408.'),
    paths: paths.prefault({}),
    limits: limits.prefault({}).describe('What one message may cost.'),
  })
  .transform(({ headTimeout, ...rest }) => ({ ...rest, headTimeoutMs: headTimeout }))
  .describe('What the wire accepts.');
