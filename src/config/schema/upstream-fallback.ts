// `upstreams.<alias>.fallback`: what a caller is given in place of the failure of a whole upstream.
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { isToken } from '../../http/accept.ts';
import { FIELD_KIND, fieldId, KIND_FRAMING, KIND_HOP, KIND_OWN } from '../../http/field.ts';
import { isFieldValue } from '../../http/headers.ts';
import { integer, path, text } from './scalar.ts';

/** In the words of the configuration; docs/resilience.md says which codes each of them covers. */
export const FALLBACK_REASONS = [
  'breaker-open',
  'no-endpoint',
  'connect-failed',
  'timeout',
  'reset',
  'protocol-error',
  'overflow',
] as const;

/** Held in memory for as long as the configuration serves. */
const MAX_BODY_BYTES = 65_536;
const MAX_HEADERS = 32;
const reason = `${FALLBACK_REASONS.join(', ')}, or a status from 500 to 599`;
const fieldName = 'the name of a field that is not about the connection, the framing or the sidecar';
const fieldValue = 'the value of a field: printable text without line breaks';
const bodyFile = 'a file that can be read, of at most 64 KiB';

/** What an answer consists of beside its head; `/config` shows where it is from and how long it is. */
export class AnswerBody {
  /** The file that it was read from; undefined where it stands in the configuration. */
  readonly file: string | undefined;
  readonly bytes: number;
  readonly #content: Buffer;

  constructor(content: Buffer, file?: string) {
    this.file = file;
    this.bytes = content.length;
    this.#content = content;
  }

  content(): Buffer {
    return this.#content;
  }
}

/** Read once, with the configuration: an answer for bad times must not depend on a disk. */
const fileBody = path('a file with the content').transform((file, context): AnswerBody => {
  try {
    const facts = statSync(file);
    if (facts.isFile() && facts.size <= MAX_BODY_BYTES) return new AnswerBody(readFileSync(file), file);
  } catch {
    // Said below: whatever the system's reason, the file is of no use.
  }
  context.addIssue({ code: 'custom', message: bodyFile, input: file });
  return z.NEVER;
});

const answer = z
  .strictObject({
    status: integer(200, 599).default(200).describe('Status of the answer.'),
    headers: z
      .record(
        z.string().refine(isOwnField, { error: fieldName }),
        z.string({ error: fieldValue }).max(4_096, { error: fieldValue }).refine(isFieldValue, { error: fieldValue }),
      )
      .refine((fields) => Object.keys(fields).length <= MAX_HEADERS, { error: `at most ${MAX_HEADERS} fields` })
      .default({})
      .describe('Fields of the answer, such as `content-type`.'),
    body: z
      .string({ error: 'text of at most 64 KiB' })
      .refine((content) => Buffer.byteLength(content) <= MAX_BODY_BYTES, { error: 'text of at most 64 KiB' })
      .transform((content) => new AnswerBody(Buffer.from(content)))
      .optional()
      .describe('Content, as text of at most 64 KiB.'),
    bodyFile: fileBody
      .optional()
      .describe('Content from a file of at most 64 KiB, read with the configuration. Not beside `body`.'),
  })
  .refine(({ body, bodyFile }) => body === undefined || bodyFile === undefined, {
    error: 'only one of body and bodyFile',
  })
  .refine(
    ({ status, body, bodyFile }) => ![204, 205, 304].includes(status) || (body === undefined && bodyFile === undefined),
    { error: 'no body with the status 204, 205 or 304' },
  )
  .transform(({ bodyFile, body, ...rest }) => ({ ...rest, body: bodyFile ?? body }));

const reasons = z
  .array(
    z.union([z.enum(FALLBACK_REASONS), z.int().min(500, { error: reason }).max(599, { error: reason })], {
      error: reason,
    }),
    { error: 'a list of reasons' },
  )
  .default(['breaker-open', 'no-endpoint', 'connect-failed', 'timeout'])
  .describe(
    'Failures that lead there, once nothing is tried again: `breaker-open`, `no-endpoint`, `connect-failed`, `timeout`, ' +
      '`reset`, `protocol-error`, `overflow`, and statuses of answers from 500 on.',
  );

/** Becomes `FallbackOptions` (src/upstream/options.ts). */
export const fallback = z
  .union(
    [
      z.literal('off'),
      z
        .strictObject({
          on: reasons,
          answer: answer
            .optional()
            .describe('A fixed answer. Trap: where it says 200, callers take it for one of the service.'),
          upstream: text('the name of an upstream under `upstreams`')
            .optional()
            .describe(
              'Another upstream of this configuration, which a request is sent to once. What may have been executed goes ' +
                'there for idempotent methods only.',
            ),
        })
        .refine(({ answer, upstream }) => (answer === undefined) !== (upstream === undefined), {
          error: 'either answer or upstream',
        })
        .transform(({ on, answer, upstream }) => ({
          reasons: on.filter((one) => typeof one === 'string'),
          statuses: on.filter((one) => typeof one === 'number'),
          answer,
          upstream,
        })),
    ],
    { error: 'off, or a mapping with either answer or upstream' },
  )
  .transform((value) => (value === 'off' ? undefined : value))
  .optional()
  .describe(
    'What a caller is given in place of the failure of the whole upstream: a fixed `answer`, or the answer of another ' +
      '`upstream`. `off`: nothing, whatever `"*"` says. See [resilience](resilience.md#fallback).',
  );

/** Not about connection or framing, and not ours. */
function isOwnField(name: string): boolean {
  return isToken(name) && ((FIELD_KIND[fieldId(name)] ?? 0) & (KIND_HOP | KIND_FRAMING | KIND_OWN)) === 0;
}
