// `drain:` and `log:` how the process stops, and what it says.
import { z } from 'zod';
import { duration, flag, path } from './scalar.ts';

/** pino's levels. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** `drain:` one clock, counted from the signal. */
export const drain = z
  .strictObject({
    settle: duration({ minMs: 0 })
      .prefault('2s')
      .describe(
        'Time to go on serving after our record is gone, so that callers see it; without a record, so that our app can still call.',
      ),
    timeout: duration({ minMs: 0 })
      .prefault('25s')
      .describe(
        'Until then what is in flight may finish. Trap: the platform kills after its own time (Kubernetes: 30 s).',
      ),
  })
  .transform(({ settle, timeout }) => ({ settleMs: settle, timeoutMs: timeout }))
  .refine(({ settleMs, timeoutMs }) => settleMs <= timeoutMs, {
    error: 'at most drain.timeout',
    path: ['settle'],
  })
  .describe('How the process stops. A second signal ends it at once.');

/** `log:` JSON lines. */
export const log = z
  .strictObject({
    level: z
      .enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(', ')}` })
      .default('info')
      .describe('Least important level that is written. Access lines do not depend on it.'),
    access: flag().default(true).describe('One line for each request, whatever the level.'),
    file: path('the access log')
      .optional()
      .describe(
        'Access lines go to this file, buffered for at most a second. Default: to standard output, with the rest.',
      ),
  })
  .describe('What the process says, as JSON lines on standard output.');
