// `upstreams.<alias>`: who is picked. Policy, subset, zones, priority levels, slow start, panic, session affinity.
import { z } from 'zod';
import { duration, flag, integer, metadataValue, number, text } from './scalar.ts';

/** The policies, the default first. */
export const BALANCERS = ['least-request', 'round-robin', 'random', 'peak-ewma', 'ring-hash', 'maglev'] as const;
export type BalancerName = (typeof BALANCERS)[number];

const HASHING: ReadonlySet<BalancerName> = new Set(['ring-hash', 'maglev']);
/** Which policies a field is for; `policy` itself is for all. */
const FIELDS_OF: Readonly<Record<string, ReadonlySet<BalancerName>>> = {
  hash: HASHING,
  boundedLoad: HASHING,
  points: new Set(['ring-hash']),
  tableSize: new Set(['maglev']),
  decay: new Set(['peak-ewma']),
  initial: new Set(['peak-ewma']),
  penalty: new Set(['peak-ewma']),
};

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const oneSource = 'one of header, cookie, source, path';

const hashSource = z
  .strictObject({
    header: z
      .string({ error: 'the name of a field' })
      .regex(TOKEN, { error: 'the name of a field' })
      .optional()
      .describe('The first value of this field of the request.'),
    cookie: cookieName().optional().describe('The value of this cookie.'),
    ttl: duration({ minMs: 0 })
      .optional()
      .describe(
        'With `cookie`: the sidecar makes the cookie where a request has none, to last so long; `0s` = for the session.',
      ),
    source: z
      .literal(true, { error: 'true' })
      .optional()
      .describe(
        'The address where the request began: the first of `X-Forwarded-For`, which is the peer unless that is trusted.',
      ),
    path: z.literal(true, { error: 'true' }).optional().describe('The path, without its query.'),
    terminal: flag().default(false).describe('Where this source has a value, those after it are not looked at.'),
  })
  .refine((source) => [source.header, source.cookie, source.source, source.path].filter(isGiven).length === 1, {
    error: oneSource,
  })
  .refine(({ cookie, ttl }) => cookie !== undefined || ttl === undefined, { error: 'ttl beside cookie only' })
  .transform(({ header, cookie, ttl, source, terminal: isTerminal }) =>
    header !== undefined
      ? ({ kind: 'header', name: header.toLowerCase(), isTerminal } as const)
      : cookie !== undefined
        ? ({ kind: 'cookie', name: cookie, ttlMs: ttl, isTerminal } as const)
        : ({ kind: source === true ? 'source' : 'path', isTerminal } as const),
  );

const BY_SOURCE = [{ kind: 'source', isTerminal: false }] as const;
const prime = 'a prime number from 3 to 5000011';

const policyWithOptions = z
  .strictObject({
    policy: z.enum(BALANCERS, { error: BALANCERS.join(', ') }).describe('As the name alone.'),
    hash: z
      .array(hashSource, { error: 'a list of sources' })
      .min(1)
      .max(8)
      .optional()
      .describe(
        'For `ring-hash` and `maglev`: what requests are hashed by, combined in this order. Default `[{ source: true }]`. ' +
          'A request in which none has a value goes anywhere.',
      ),
    boundedLoad: number(1.01, 100)
      .optional()
      .describe(
        'For `ring-hash` and `maglev`: an endpoint takes at most so many times its share of the requests in flight; more ' +
          'go to the next one. 1.25 is ordinary.',
      ),
    points: integer(16, 16_384)
      .optional()
      .describe(
        'For `ring-hash`: points on the ring of an endpoint of mean weight, at least. Default 512. More is more even, and costs 8 ' +
          'bytes each; some 131,072 in all are the most.',
      ),
    tableSize: integer(3, 5_000_011)
      .refine(isPrime, { error: prime })
      .optional()
      .describe('For `maglev`: entries of the table, a prime. Default 65537. 100 for each endpoint are even to 1 %.'),
    decay: duration()
      .optional()
      .describe('For `peak-ewma`: after so long without an answer, an estimate is down to 37 %. Default `10s`.'),
    initial: duration()
      .optional()
      .describe('For `peak-ewma`: what an endpoint is taken to need before its first answer. Default `30ms`.'),
    penalty: duration().optional().describe('For `peak-ewma`: what a failure, a 429 or a 503 counts as. Default `5s`.'),
  })
  .superRefine((given, context) => {
    for (const [field, policies] of Object.entries(FIELDS_OF)) {
      if (!isGiven(given[field as keyof typeof given]) || policies.has(given.policy)) continue;
      const message = `${field} with ${[...policies].join(' or ')} only`;
      context.addIssue({ code: 'custom', message, path: [field], input: given });
    }
  });

/** `upstreams.<alias>.balancer`: a name, or a mapping where a policy is told more. */
export const balancer = z
  .union([z.enum(BALANCERS), policyWithOptions], {
    error: `${BALANCERS.slice(0, -1).join(', ')} or ${BALANCERS.at(-1) ?? ''}, or a mapping with a policy`,
  })
  .transform((given) => {
    const { policy, hash, boundedLoad, points, tableSize, decay, initial, penalty } =
      typeof given === 'string' ? ({ policy: given } as z.output<typeof policyWithOptions>) : given;
    const hashing = { hash: hash ?? BY_SOURCE, boundedLoad };
    switch (policy) {
      case 'peak-ewma':
        return { policy, decayMs: decay ?? 10_000, initialMs: initial ?? 30, penaltyMs: penalty ?? 5_000 };
      case 'ring-hash':
        return { policy, ...hashing, points: points ?? 512 };
      case 'maglev':
        return { policy, ...hashing, tableSize: tableSize ?? 65_537 };
      case 'least-request':
      case 'round-robin':
      case 'random':
        return { policy };
    }
  });

const labels = z.record(text('a key of metadata'), metadataValue());

/** `upstreams.<alias>.subset` */
export const subset = labels
  .optional()
  .describe(
    'Only endpoints with this metadata are called, such as `{ version: "2.1.0" }`; the key `zone` is their zone.',
  );

/** `upstreams.<alias>.subsetFallback` */
export const subsetFallback = z
  .enum(['none', 'any'], { error: 'none or any' })
  .default('none')
  .describe('Where no endpoint is in the subset: `none` = requests fail, `any` = all endpoints are used.');

const overprovisioning = number(1, 100).default(1.4);

/** `upstreams.<alias>.zone` */
export const zone = z
  .strictObject({
    prefer: flag().default(true).describe('Endpoints of our own zone first, where we know it.'),
    own: text('the name of a zone')
      .optional()
      .describe('The zone that we are in. Default: `service.zone`, `PILOTFISH_ZONE`.'),
    share: number(0.001, 1)
      .optional()
      .describe(
        'Share of all callers that are in our zone. Default: they are spread evenly over the zones of the service.',
      ),
    overprovisioning: overprovisioning.describe(
      'How many times the mean load an endpoint of our zone may get before some of it goes to other zones.',
    ),
  })
  .transform((given) => ({ ...given, own: given.own, share: given.share }));

/** `upstreams.<alias>.priority` */
export const priority = z.strictObject({
  metadata: text('a key of metadata')
    .default('priority')
    .describe('Metadata that holds the level of an endpoint, `0` (used first) to `9`; anything else counts as 0.'),
  levels: z
    .array(labels, { error: 'a list of labels' })
    .max(10)
    .default([])
    .describe(
      'Levels by labels instead: `[{ zone: eu-1a }, { dc: eu }]`. The first entry that fits is the level; those that fit none come last.',
    ),
  overprovisioning: overprovisioning.describe(
    'A level carries all its traffic while this times its healthy share is 1 or more: 1.4 = down to 71 % healthy.',
  ),
});

/** `upstreams.<alias>.panicThreshold` */
export const panicThreshold = number(0, 1)
  .default(0.1)
  .describe(
    'Below this share of endpoints that can be used, all are used, failing ones too: health is not believed any more. With none ' +
      'left that is so in any case.',
  );

/** `upstreams.<alias>.slowStart` */
export const slowStart = duration()
  .optional()
  .describe(
    'Time in which the weight of an endpoint that is new, or back from a failure, grows from 10 % to the whole. Default: at once.',
  );

/** `upstreams.<alias>.sticky` */
export const sticky = z
  .strictObject({
    cookie: cookieName().describe('Name of the cookie.'),
    ttl: duration().optional().describe("Life of the cookie. Default: the client's session."),
    path: z
      .string({ error: 'a path such as /' })
      .regex(/^\/[\u0021-\u003a\u003c-\u007e]{0,255}$/, { error: 'a path such as /' })
      .default('/')
      .describe('Path of the cookie.'),
    secure: flag().default(false).describe('Sent back over TLS only.'),
    secret: text('a secret', 1024)
      .optional()
      .describe(
        'Key of the names in the cookie. Set it where clients meet several sidecars, or endpoints keep their sessions over restarts.',
      ),
  })
  .transform(({ ttl, secret, ...rest }) => ({ ...rest, ttlMs: ttl, secret }))
  .optional()
  .describe(
    'Session affinity: the sidecar sets a cookie that names the endpoint without telling its address; requests that bring it ' +
      'go there while it can be used.',
  );

function cookieName() {
  return z.string({ error: 'the name of a cookie' }).regex(TOKEN, { error: 'the name of a cookie' });
}

function isGiven(value: unknown): boolean {
  return value !== undefined;
}

function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return value > 1;
}
