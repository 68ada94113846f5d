// `upstreams.<alias>.buffer`: holding short answers until they are complete.
import { z } from 'zod';
import { duration, flag, size } from './scalar.ts';

/** Becomes `BufferOptions` (src/upstream/options.ts); without it answers stream. */
export const buffer = z
  .strictObject({
    enabled: flag().default(true).describe('`false`: answers stream, where `"*"` says otherwise.'),
    maxBytes: size({ maxBytes: 16_777_216 })
      .prefault('64KiB')
      .describe('Content of an answer; a longer one streams: at once where it is announced, else from there on.'),
    wait: duration({ maxMs: 60_000 })
      .prefault('1s')
      .describe('An answer that is not complete so long after its head streams, too: it may be one that never ends.'),
  })
  .transform(({ wait, ...rest }) => ({ ...rest, waitMs: wait }));
