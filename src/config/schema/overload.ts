// `overload:` what this process does when it runs out of memory or of time.
import { z } from 'zod';
import { duration, number, size } from './scalar.ts';

const memory = z
  .strictObject({
    limit: size({ minBytes: 33_554_432, maxBytes: 1_099_511_627_776 })
      .optional()
      .describe(
        'What this process may use. Default: the limit of its control group, or else the memory of the machine.',
      ),
    softRatio: number(0.1, 1)
      .default(0.85)
      .describe('From this share on, answers end their connections, so that clients spread out and buffers are freed.'),
    hardRatio: number(0.1, 1)
      .default(0.95)
      .describe('From this share on, requests beyond a few are refused with 503 `PF_OVERFLOW`.'),
  })
  .refine(({ softRatio, hardRatio }) => softRatio <= hardRatio, {
    error: 'at most overload.memory.hardRatio',
    path: ['softRatio'],
  })
  .transform(({ limit, ...rest }) => ({ ...rest, limitBytes: limit }));

/** `overload:` whole. */
export const overload = z
  .strictObject({
    memory: memory
      .prefault({})
      .describe('Watermarks on memory: resident size against the limit, and heap against what V8 may use of it.'),
    loopDelay: duration({ minMs: 0 })
      .prefault('200ms')
      .describe(
        'While every turn of the event loop is later than this, or connections wait longer than this for their turn, for ' +
          'half a second on end, new connections are refused, so that those that exist are served. 0 = never.',
      ),
  })
  .transform(({ memory, loopDelay }) => ({ memory, loopDelayMs: loopDelay }))
  .describe('Protection of this process; see [overload](overload.md).');
